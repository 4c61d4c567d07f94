/**
 * Migration 2: who writes to an upload, keys whose bytes may go, snapshots that hold them, and since when this database accounts
 * for the bytes beside it.
 */
export const reclaimSchema = `
ALTER TABLE uploads ADD COLUMN holder TEXT;
ALTER TABLE uploads ADD COLUMN held_until INTEGER;

CREATE INDEX blobs_by_key ON blobs (key);
CREATE INDEX blobs_quarantined ON blobs (digest) WHERE state = 'quarantined';

DROP INDEX review_queue_by_time;
CREATE INDEX review_queue_waiting ON review_queue (since) WHERE condemned_at IS NULL;
CREATE INDEX review_queue_condemned ON review_queue (condemned_at) WHERE condemned_at IS NOT NULL;

-- Keys that no blob names any more. The times are those between which a snapshot may have seen the key.
CREATE TABLE removals (
  key TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  removed_at INTEGER NOT NULL,
  not_before INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX removals_by_time ON removals (not_before);

CREATE TABLE snapshots (
  name TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL,
  taken_at INTEGER NOT NULL,
  size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshots_by_time ON snapshots (taken_at);

-- A database that held something before this migration has accounted for the bytes all along.
CREATE TABLE accounting (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  since INTEGER NOT NULL
) STRICT;
INSERT INTO accounting (one, since)
  SELECT 1, CASE WHEN EXISTS (SELECT 1 FROM repositories) THEN 0 ELSE CAST(unixepoch('subsec') * 1000 AS INTEGER) END;
`;
