/**
 * Migration 4: what retention asks of an image stands in its manifest's row, so that a plan need not read the edges; the trash,
 * which keeps what expired until it can no longer be restored; and what clusters say that they run.
 *
 * Rows of before have no `content_size`, and then neither of the other two columns: who reads works them out from the edges. To
 * fill them in here would take minutes in a large database, during which nothing is served.
 */
export const retentionSchema = `
ALTER TABLE manifests ADD COLUMN content_size INTEGER;
ALTER TABLE manifests ADD COLUMN config TEXT;
-- Digests with a line feed between them. Last, because it may be long.
ALTER TABLE manifests ADD COLUMN children TEXT;
-- Rows of a repository in the order in which they lie in the table.
CREATE INDEX manifests_by_repository ON manifests (repository_id);

CREATE TABLE trash (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository TEXT NOT NULL,
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  subject TEXT,
  artifact_type TEXT,
  annotations TEXT,
  pushed_at INTEGER NOT NULL,
  pushed_by TEXT NOT NULL,
  origin TEXT,
  pulled_hour INTEGER,
  content_size INTEGER NOT NULL,
  expired_at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  policy TEXT NOT NULL,
  config TEXT,
  children TEXT,
  UNIQUE (digest, repository)
) STRICT;
CREATE INDEX trash_by_time ON trash (expired_at, repository, digest);
CREATE INDEX trash_of_repository ON trash (repository, expired_at, digest);
CREATE INDEX trash_by_end ON trash (until);
CREATE INDEX trash_by_subject ON trash (repository, subject) WHERE subject IS NOT NULL;

CREATE TABLE trash_bytes (
  trash_id INTEGER PRIMARY KEY REFERENCES trash (id) ON DELETE CASCADE,
  bytes BLOB NOT NULL
) STRICT;

-- As edges do, these keep blobs from being reclaimed, and from being deleted in their repository.
CREATE TABLE trash_edges (
  trash_id INTEGER NOT NULL REFERENCES trash (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  repository TEXT NOT NULL,
  PRIMARY KEY (trash_id, kind, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX trash_edges_by_target ON trash_edges (target, repository, kind);

CREATE TABLE trash_tags (
  trash_id INTEGER NOT NULL REFERENCES trash (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  repository TEXT NOT NULL,
  PRIMARY KEY (trash_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX trash_tags_by_name ON trash_tags (repository, name);

-- What each cluster runs. names is a list in JSON.
CREATE TABLE inventories (
  cluster TEXT PRIMARY KEY,
  reported_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  document TEXT NOT NULL,
  names TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE in_use (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) STRICT;
INSERT INTO in_use (one, revision) VALUES (1, 0);
`;
