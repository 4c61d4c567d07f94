/**
 * Migration 1. Names are compared as bytes (BINARY), which is the ASCII order that OCI distribution-spec asks of lists.
 * Every list that a client can page through is a range of one index here, so that depth costs nothing.
 * Counts are kept by triggers: `statistics` is one row, whatever the size of the rest.
 */
export const initialSchema = `
CREATE TABLE repositories (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  manifests INTEGER NOT NULL DEFAULT 0 CHECK (manifests >= 0)
) STRICT;
CREATE INDEX repositories_listed ON repositories (name) WHERE manifests > 0;

-- Small rows only, so that plans over a million images read little; the bytes are beside.
CREATE TABLE manifests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repositories (id),
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
  UNIQUE (repository_id, digest)
) STRICT;
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;
CREATE INDEX manifests_by_subject_type ON manifests (repository_id, subject, artifact_type, digest) WHERE subject IS NOT NULL;

CREATE TABLE manifest_bytes (
  manifest_id INTEGER PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
  bytes BLOB NOT NULL
) STRICT;

-- What a manifest refers to. The target need not exist: missing subjects, sparse indexes, foreign layers.
CREATE TABLE edges (
  manifest_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('config', 'layer', 'child', 'subject')),
  target TEXT NOT NULL,
  repository_id INTEGER NOT NULL,
  PRIMARY KEY (manifest_id, kind, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX edges_by_target ON edges (target, repository_id, kind);

-- version grows by one with each change of a name, deletion included; origin is null for changes made here.
CREATE TABLE tags (
  repository_id INTEGER NOT NULL REFERENCES repositories (id),
  name TEXT NOT NULL,
  manifest_id INTEGER NOT NULL REFERENCES manifests (id),
  version INTEGER NOT NULL,
  origin TEXT,
  actor TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (repository_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_manifest ON tags (manifest_id, name);

CREATE TABLE tag_tombstones (
  repository_id INTEGER NOT NULL REFERENCES repositories (id),
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  version INTEGER NOT NULL,
  origin TEXT,
  actor TEXT NOT NULL,
  deleted_at INTEGER NOT NULL,
  PRIMARY KEY (repository_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_tombstones_by_time ON tag_tombstones (deleted_at);

CREATE TABLE blobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  key TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'quarantined')),
  damage TEXT,
  leased_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- In which repositories a blob is visible. Keyed by name, so that "where else is it" comes in name order from one range.
CREATE TABLE repository_blobs (
  blob_id INTEGER NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
  repository TEXT NOT NULL,
  PRIMARY KEY (blob_id, repository)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  owner TEXT NOT NULL,
  started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_start ON uploads (started_at, id);

-- Blobs that no manifest refers to, since when, and when reclaim condemned them (a mount or a lease takes that back).
CREATE TABLE review_queue (
  blob_id INTEGER PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
  since INTEGER NOT NULL,
  size INTEGER NOT NULL,
  condemned_at INTEGER
) STRICT;
CREATE INDEX review_queue_by_time ON review_queue (since);

CREATE TABLE changes (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  repository TEXT NOT NULL,
  digest TEXT,
  tag TEXT,
  actor TEXT NOT NULL,
  origin TEXT
) STRICT;

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  payload TEXT NOT NULL,
  run_at INTEGER NOT NULL,
  lease_until INTEGER,
  leased_by TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  created_at INTEGER NOT NULL,
  UNIQUE (kind, key)
) STRICT;
CREATE INDEX jobs_by_time ON jobs (run_at);

CREATE TABLE rules (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  generation INTEGER NOT NULL,
  document TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE statistics (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  repositories INTEGER NOT NULL DEFAULT 0,
  manifests INTEGER NOT NULL DEFAULT 0,
  tags INTEGER NOT NULL DEFAULT 0,
  blobs INTEGER NOT NULL DEFAULT 0,
  blob_bytes INTEGER NOT NULL DEFAULT 0,
  reclaimable_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO statistics (one) VALUES (1);

CREATE TRIGGER manifest_added AFTER INSERT ON manifests BEGIN
  UPDATE statistics SET manifests = manifests + 1;
  UPDATE repositories SET manifests = manifests + 1 WHERE id = NEW.repository_id;
END;
CREATE TRIGGER manifest_removed AFTER DELETE ON manifests BEGIN
  UPDATE statistics SET manifests = manifests - 1;
  UPDATE repositories SET manifests = manifests - 1 WHERE id = OLD.repository_id;
END;
CREATE TRIGGER repository_listed AFTER UPDATE OF manifests ON repositories
WHEN (OLD.manifests > 0) <> (NEW.manifests > 0) BEGIN
  UPDATE statistics SET repositories = repositories + (NEW.manifests > 0) - (OLD.manifests > 0);
END;
CREATE TRIGGER tag_added AFTER INSERT ON tags BEGIN UPDATE statistics SET tags = tags + 1; END;
CREATE TRIGGER tag_removed AFTER DELETE ON tags BEGIN UPDATE statistics SET tags = tags - 1; END;
CREATE TRIGGER blob_added AFTER INSERT ON blobs BEGIN
  UPDATE statistics SET blobs = blobs + 1, blob_bytes = blob_bytes + NEW.size;
END;
CREATE TRIGGER blob_removed AFTER DELETE ON blobs BEGIN
  UPDATE statistics SET blobs = blobs - 1, blob_bytes = blob_bytes - OLD.size;
END;
CREATE TRIGGER review_entered AFTER INSERT ON review_queue BEGIN
  UPDATE statistics SET reclaimable_bytes = reclaimable_bytes + NEW.size;
END;
CREATE TRIGGER review_left AFTER DELETE ON review_queue BEGIN
  UPDATE statistics SET reclaimable_bytes = reclaimable_bytes - OLD.size;
END;
`;
