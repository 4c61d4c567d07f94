/**
 * Migration 3: what retention asks of an image stands in its manifest's row; the trash, which keeps what expired until it can no
 * longer be restored; and what clusters say that they run. It only adds, so that programs of before go on beside it, though to
 * them the trash is nothing that needs a blob: where one of them runs for longer than the grace time, blobs may go early.
 *
 * Rows of programs of before have no `content_size`, and then neither of the other two columns: who reads works them out from the
 * edges. To fill them in here would keep everybody waiting.
 */
export const retentionSchema = `
-- children: digests with a line feed between them.
ALTER TABLE manifests ADD COLUMN content_size bigint, ADD COLUMN config text COLLATE "C", ADD COLUMN children text COLLATE "C";

CREATE TABLE trash (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  repository text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  media_type text NOT NULL,
  size bigint NOT NULL,
  subject text COLLATE "C",
  artifact_type text COLLATE "C",
  annotations text,
  pushed_at bigint NOT NULL,
  pushed_by text NOT NULL,
  origin text,
  pulled_hour bigint,
  content_size bigint NOT NULL,
  config text COLLATE "C",
  children text COLLATE "C",
  expired_at bigint NOT NULL,
  until bigint NOT NULL,
  policy text NOT NULL,
  UNIQUE (digest, repository)
);
CREATE INDEX trash_by_time ON trash (expired_at, repository, digest);
CREATE INDEX trash_of_repository ON trash (repository, expired_at, digest);
CREATE INDEX trash_by_end ON trash (until);
CREATE INDEX trash_by_subject ON trash (repository, subject) WHERE subject IS NOT NULL;

CREATE TABLE trash_bytes (
  trash_id bigint PRIMARY KEY REFERENCES trash (id) ON DELETE CASCADE,
  bytes bytea NOT NULL
);

-- As edges do, these keep blobs from being reclaimed, and from being deleted in their repository.
CREATE TABLE trash_edges (
  trash_id bigint NOT NULL REFERENCES trash (id) ON DELETE CASCADE,
  kind text COLLATE "C" NOT NULL,
  target text COLLATE "C" NOT NULL,
  repository text COLLATE "C" NOT NULL,
  PRIMARY KEY (trash_id, kind, target)
);
CREATE INDEX trash_edges_by_target ON trash_edges (target, repository, kind);

CREATE TABLE trash_tags (
  trash_id bigint NOT NULL REFERENCES trash (id) ON DELETE CASCADE,
  name text COLLATE "C" NOT NULL,
  repository text COLLATE "C" NOT NULL,
  PRIMARY KEY (trash_id, name)
);
CREATE INDEX trash_tags_by_name ON trash_tags (repository, name);

-- What each cluster runs.
CREATE TABLE inventories (
  cluster text COLLATE "C" PRIMARY KEY,
  reported_at bigint NOT NULL,
  received_at bigint NOT NULL,
  document text NOT NULL,
  names text[] NOT NULL
);
CREATE TABLE in_use (one integer PRIMARY KEY CHECK (one = 1), revision bigint NOT NULL);
INSERT INTO in_use (one, revision) VALUES (1, 0);
`;
