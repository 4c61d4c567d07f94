/**
 * Migration 1: everything lives in a schema of its own. Names are compared as bytes (COLLATE "C"), which is the ASCII order that
 * OCI distribution-spec asks of lists. Every list that a client can page through is a range of one index here.
 */
export const initialSchema = `
CREATE TABLE repositories (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  -- Whether it holds a manifest. No counter: pushes to one repository would write this row each time.
  listed boolean NOT NULL DEFAULT false
);
CREATE INDEX repositories_listed ON repositories (name) WHERE listed;

CREATE TABLE manifests (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  repository_id bigint NOT NULL REFERENCES repositories (id),
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
  UNIQUE (repository_id, digest)
) WITH (fillfactor = 90);
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_by_subject_type ON manifests (repository_id, subject, artifact_type, digest) WHERE subject IS NOT NULL;

CREATE TABLE manifest_bytes (
  manifest_id bigint PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
  bytes bytea NOT NULL
);

-- What a manifest refers to. The target need not exist: missing subjects, sparse indexes, foreign layers.
CREATE TABLE edges (
  manifest_id bigint NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('config', 'layer', 'child', 'subject')),
  target text COLLATE "C" NOT NULL,
  repository_id bigint NOT NULL,
  PRIMARY KEY (manifest_id, kind, target)
);
CREATE INDEX edges_by_target ON edges (target, repository_id, kind);

-- version grows by one with each change of a name, deletion included; origin is null for changes made here.
CREATE TABLE tags (
  repository_id bigint NOT NULL REFERENCES repositories (id),
  name text COLLATE "C" NOT NULL,
  manifest_id bigint NOT NULL REFERENCES manifests (id),
  version bigint NOT NULL,
  origin text,
  actor text NOT NULL,
  changed_at bigint NOT NULL,
  PRIMARY KEY (repository_id, name)
);
CREATE INDEX tags_by_manifest ON tags (manifest_id, name);

CREATE TABLE tag_tombstones (
  repository_id bigint NOT NULL REFERENCES repositories (id),
  name text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  origin text,
  actor text NOT NULL,
  deleted_at bigint NOT NULL,
  PRIMARY KEY (repository_id, name)
);
CREATE INDEX tag_tombstones_by_time ON tag_tombstones (deleted_at);

CREATE TABLE blobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  digest text COLLATE "C" NOT NULL UNIQUE,
  size bigint NOT NULL,
  key text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'quarantined')),
  damage text,
  leased_at bigint NOT NULL,
  created_at bigint NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX blobs_by_key ON blobs (key);
CREATE INDEX blobs_quarantined ON blobs (digest) WHERE state = 'quarantined';

-- In which repositories a blob is visible. Keyed by name, so that "where else is it" comes in name order from one range.
CREATE TABLE repository_blobs (
  blob_id bigint NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
  repository text COLLATE "C" NOT NULL,
  PRIMARY KEY (blob_id, repository)
);

CREATE TABLE uploads (
  id text COLLATE "C" PRIMARY KEY,
  repository text COLLATE "C" NOT NULL,
  owner text NOT NULL,
  started_at bigint NOT NULL,
  holder text,
  held_until bigint
);
CREATE INDEX uploads_by_start ON uploads (started_at, id);

-- Blobs that no manifest refers to, since when, and when reclaim condemned them (a mount or a lease takes that back).
CREATE TABLE review_queue (
  blob_id bigint PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
  since bigint NOT NULL,
  size bigint NOT NULL,
  condemned_at bigint
);
CREATE INDEX review_queue_by_time ON review_queue (since) WHERE condemned_at IS NULL;
CREATE INDEX review_queue_condemned ON review_queue (condemned_at) WHERE condemned_at IS NOT NULL;

-- Keys whose bytes nobody names any more, and from when on they may be unlinked.
CREATE TABLE removals (
  key text COLLATE "C" PRIMARY KEY,
  size bigint NOT NULL,
  created_at bigint NOT NULL,
  removed_at bigint NOT NULL,
  not_before bigint NOT NULL
);
CREATE INDEX removals_by_time ON removals (not_before, key);

CREATE TABLE snapshots (
  name text COLLATE "C" PRIMARY KEY,
  sequence bigint NOT NULL,
  taken_at bigint NOT NULL,
  size bigint NOT NULL
);
CREATE INDEX snapshots_by_time ON snapshots (taken_at);

-- Since when this database accounts for the bytes beside it; 0 once an import has filled it.
CREATE TABLE accounting (one integer PRIMARY KEY CHECK (one = 1), since bigint NOT NULL);
INSERT INTO accounting (one, since) VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);

-- A change is written here first; it gets its sequence number, in feed order, when somebody reads the feed (ADR 15).
CREATE TABLE pending_changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at bigint NOT NULL,
  kind text NOT NULL,
  repository text NOT NULL,
  digest text,
  tag text,
  actor text NOT NULL,
  origin text
);
CREATE TABLE changes (
  sequence bigint PRIMARY KEY,
  at bigint NOT NULL,
  kind text NOT NULL,
  repository text NOT NULL,
  digest text,
  tag text,
  actor text NOT NULL,
  origin text
);
CREATE TABLE feed (one integer PRIMARY KEY CHECK (one = 1), sequence bigint NOT NULL);
INSERT INTO feed (one, sequence) VALUES (1, 0);

CREATE TABLE jobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  payload text NOT NULL,
  run_at bigint NOT NULL,
  lease_until bigint,
  leased_by text,
  attempts bigint NOT NULL DEFAULT 0,
  last_error text,
  created_at bigint NOT NULL,
  UNIQUE (kind, key)
);
CREATE INDEX jobs_by_time ON jobs (run_at, id);

CREATE TABLE rules (
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  generation bigint NOT NULL,
  document text NOT NULL,
  changed_at bigint NOT NULL,
  changed_by text NOT NULL,
  PRIMARY KEY (kind, name)
);

-- Counts: what was folded, and what was not yet. Writers only ever insert, so that none waits for another.
CREATE TABLE statistics (
  one integer PRIMARY KEY CHECK (one = 1),
  repositories bigint NOT NULL DEFAULT 0,
  manifests bigint NOT NULL DEFAULT 0,
  tags bigint NOT NULL DEFAULT 0,
  blobs bigint NOT NULL DEFAULT 0,
  blob_bytes bigint NOT NULL DEFAULT 0,
  reclaimable_bytes bigint NOT NULL DEFAULT 0
);
INSERT INTO statistics (one) VALUES (1);
CREATE TABLE statistics_deltas (
  repositories bigint NOT NULL DEFAULT 0,
  manifests bigint NOT NULL DEFAULT 0,
  tags bigint NOT NULL DEFAULT 0,
  blobs bigint NOT NULL DEFAULT 0,
  blob_bytes bigint NOT NULL DEFAULT 0,
  reclaimable_bytes bigint NOT NULL DEFAULT 0
);
`;
