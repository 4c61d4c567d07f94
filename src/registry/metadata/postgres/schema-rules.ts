/**
 * Migration 2: rules that know which resource they come from and how their work goes, who this registry is, what a change of a
 * tag said of its version, and what was copied where. It only adds, so that programs of before go on beside it.
 */
export const rulesSchema = `
ALTER TABLE rules ADD COLUMN uid text COLLATE "C" NOT NULL DEFAULT '';
-- What the worker knows of it. It is made anew where it is lost.
ALTER TABLE rules ADD COLUMN state text;

-- Who this registry is among those that copy from each other.
CREATE TABLE identity (one integer PRIMARY KEY CHECK (one = 1), value text COLLATE "C" NOT NULL);
INSERT INTO identity (one, value) VALUES (1, gen_random_uuid()::text);

-- From now on the origin of a tag is a registry's identity; what was there before was made here.
UPDATE tags SET origin = NULL WHERE origin IS NOT NULL;
UPDATE tag_tombstones SET origin = NULL WHERE origin IS NOT NULL;
-- Whether somebody deleted the tag, or retention let its image expire.
ALTER TABLE tag_tombstones ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'deleted' CHECK (kind IN ('deleted', 'expired'));

-- A name whose tombstone was trimmed goes on from here, so that other registries do not take its next tag for an old one.
ALTER TABLE repositories ADD COLUMN tag_floor bigint NOT NULL DEFAULT 0;

-- Of a change of a tag: its version and origin from then on, and what kind of tombstone it left. Of a rule: its kind and name.
ALTER TABLE pending_changes ADD COLUMN version bigint, ADD COLUMN tag_origin text, ADD COLUMN tombstone text, ADD COLUMN rule text;
ALTER TABLE changes ADD COLUMN version bigint, ADD COLUMN tag_origin text, ADD COLUMN tombstone text, ADD COLUMN rule text;

-- The last copy of each tag to each target of a replication rule.
CREATE TABLE copies (
  rule text COLLATE "C" NOT NULL,
  target text COLLATE "C" NOT NULL,
  repository text COLLATE "C" NOT NULL,
  tag text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  referrers text,
  copied_at bigint NOT NULL,
  missing_since bigint,
  PRIMARY KEY (rule, target, repository, tag)
);
`;
