/**
 * Migration 3: rules that know which resource they come from and how their work goes, who this registry is, what a change of a
 * tag said of its version, and what was copied where.
 */
export const rulesSchema = `
ALTER TABLE rules ADD COLUMN uid TEXT NOT NULL DEFAULT '';
-- What the worker knows of it. It is made anew where it is lost.
ALTER TABLE rules ADD COLUMN state TEXT;

-- Who this registry is among those that copy from each other.
CREATE TABLE identity (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value TEXT NOT NULL
) STRICT;
INSERT INTO identity (one, value) SELECT 1,
  lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89AB', 1 + (abs(random()) % 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)));

-- From now on the origin of a tag is a registry's identity; what was there before was made here.
UPDATE tags SET origin = NULL WHERE origin IS NOT NULL;
UPDATE tag_tombstones SET origin = NULL WHERE origin IS NOT NULL;
-- Whether somebody deleted the tag, or retention let its image expire.
ALTER TABLE tag_tombstones ADD COLUMN kind TEXT NOT NULL DEFAULT 'deleted' CHECK (kind IN ('deleted', 'expired'));

-- A name whose tombstone was trimmed goes on from here, so that other registries do not take its next tag for an old one.
ALTER TABLE repositories ADD COLUMN tag_floor INTEGER NOT NULL DEFAULT 0;

-- Of a change of a tag: its version and origin from then on, and what kind of tombstone it left.
ALTER TABLE changes ADD COLUMN version INTEGER;
ALTER TABLE changes ADD COLUMN tag_origin TEXT;
ALTER TABLE changes ADD COLUMN tombstone TEXT;
-- Of a change of a rule: its kind and name.
ALTER TABLE changes ADD COLUMN rule TEXT;

-- The last copy of each tag to each target of a replication rule.
CREATE TABLE copies (
  rule TEXT NOT NULL,
  target TEXT NOT NULL,
  repository TEXT NOT NULL,
  tag TEXT NOT NULL,
  digest TEXT NOT NULL,
  referrers TEXT,
  copied_at INTEGER NOT NULL,
  missing_since INTEGER,
  PRIMARY KEY (rule, target, repository, tag)
) STRICT, WITHOUT ROWID;
`;
