/**
 * What happens to tags: their versions and tombstones (ADR 24). The caller holds the repository's row, so that the history of a
 * name is one line.
 */
export const tagFunctions = `
-- What is written of an origin: nothing where it is this registry's own.
CREATE FUNCTION fn.origin_column(p_origin text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF p_origin IS NULL THEN RETURN NULL; END IF;
  RETURN nullif(p_origin, (SELECT value FROM identity WHERE one = 1));
END $$;

-- Whether a change of another registry is newer than what the name is here, or was last. An empty digest means a deletion. What
-- retention expired stands as it stood; an image counts more than none, and the larger digest more than the other, where a
-- registry that was put back gave a version out again.
CREATE FUNCTION fn.is_news(p_repo bigint, p_tag text, p_version bigint, p_origin text, p_digest text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE stand record;
BEGIN
  SELECT t.version, t.origin, m.digest INTO stand FROM tags t JOIN manifests m ON m.id = t.manifest_id
    WHERE t.repository_id = p_repo AND t.name = p_tag;
  IF NOT FOUND THEN
    SELECT version, origin, CASE kind WHEN 'expired' THEN digest ELSE '' END AS digest INTO stand FROM tag_tombstones
      WHERE repository_id = p_repo AND name = p_tag;
    IF NOT FOUND THEN RETURN true; END IF;
  END IF;
  RETURN (p_version, p_origin COLLATE "C", p_digest COLLATE "C")
    > (stand.version, coalesce(stand.origin, (SELECT value FROM identity WHERE one = 1)) COLLATE "C", stand.digest COLLATE "C");
END $$;

-- The first tag for which a condition does not hold, or that is newer here, as the answer to give; null where there is none.
CREATE FUNCTION fn.first_conflict(p_repo bigint, p_digest text, p_tags text[], p_create_only boolean, p_if_match text, p_if_none_match boolean,
  p_version bigint, p_tag_origin text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE tag text; current text;
BEGIN
  IF NOT p_create_only AND p_if_match IS NULL AND NOT p_if_none_match AND p_version IS NULL THEN RETURN NULL; END IF;
  FOREACH tag IN ARRAY p_tags LOOP
    current := NULL;
    SELECT m.digest INTO current FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = p_repo AND t.name = tag;
    IF (p_if_none_match AND current IS NOT NULL)
      OR (p_if_match IS NOT NULL AND current IS DISTINCT FROM p_if_match)
      OR (p_create_only AND current IS NOT NULL AND current <> p_digest)
      OR (p_version IS NOT NULL AND current IS DISTINCT FROM p_digest AND NOT fn.is_news(p_repo, tag, p_version, p_tag_origin, p_digest)) THEN
      RETURN jsonb_strip_nulls(jsonb_build_object('outcome', 'conflict', 'tag', tag, 'current', current));
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Points a tag at a manifest. One that points there already is left alone: no new version, no tag-set. A change of another
-- registry has a version, and is known to be news here.
CREATE FUNCTION fn.set_tag(p_repo bigint, p_repository text, p_tag text, p_manifest bigint, p_digest text, p_actor text, p_now bigint, p_origin text,
  p_version bigint DEFAULT NULL, p_tag_origin text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE current record; last bigint; next bigint; tagged_by text := fn.origin_column(p_tag_origin);
BEGIN
  SELECT manifest_id, version INTO current FROM tags WHERE repository_id = p_repo AND name = p_tag;
  IF FOUND AND current.manifest_id = p_manifest THEN
    -- Both registries came to the same digest: the next change counts from the larger of the two versions.
    IF p_version IS NULL OR NOT fn.is_news(p_repo, p_tag, p_version, p_tag_origin, p_digest) THEN RETURN; END IF;
    UPDATE tags SET version = p_version, origin = tagged_by WHERE repository_id = p_repo AND name = p_tag;
    INSERT INTO pending_changes (at, kind, repository, tag, actor, origin, version, tag_origin)
      VALUES (p_now, 'tag-version', p_repository, p_tag, p_actor, p_tag_origin, p_version, tagged_by);
    RETURN;
  ELSIF FOUND THEN
    next := coalesce(p_version, current.version + 1);
    UPDATE tags SET manifest_id = p_manifest, version = next, origin = tagged_by, actor = p_actor, changed_at = p_now
      WHERE repository_id = p_repo AND name = p_tag;
  ELSE
    DELETE FROM tag_tombstones WHERE repository_id = p_repo AND name = p_tag RETURNING version INTO last;
    IF NOT FOUND THEN SELECT tag_floor INTO last FROM repositories WHERE id = p_repo; END IF;
    next := coalesce(p_version, last + 1);
    INSERT INTO tags (repository_id, name, manifest_id, version, origin, actor, changed_at)
      VALUES (p_repo, p_tag, p_manifest, next, tagged_by, p_actor, p_now);
    INSERT INTO statistics_deltas (tags) VALUES (1);
  END IF;
  INSERT INTO pending_changes (at, kind, repository, digest, tag, actor, origin, version, tag_origin)
    VALUES (p_now, 'tag-set', p_repository, p_digest, p_tag, p_actor, coalesce(p_tag_origin, p_origin), next, tagged_by);
END $$;

-- Removes a tag, leaving a tombstone that keeps its version. What retention expires is no change for other registries: the version
-- stays as it is.
CREATE FUNCTION fn.bury_tag(p_repo bigint, p_repository text, p_tag text, p_actor text, p_now bigint, p_origin text,
  p_expired boolean DEFAULT false, p_version bigint DEFAULT NULL, p_tag_origin text DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE current record; next bigint; tagged_by text; ending text := CASE WHEN p_expired THEN 'expired' ELSE 'deleted' END;
BEGIN
  SELECT t.version, t.origin, m.digest INTO current FROM tags t JOIN manifests m ON m.id = t.manifest_id
    WHERE t.repository_id = p_repo AND t.name = p_tag;
  IF NOT FOUND THEN RETURN false; END IF;
  next := coalesce(p_version, current.version + CASE WHEN p_expired THEN 0 ELSE 1 END);
  tagged_by := CASE WHEN p_expired THEN current.origin ELSE fn.origin_column(p_tag_origin) END;
  DELETE FROM tags WHERE repository_id = p_repo AND name = p_tag;
  INSERT INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at, kind)
    VALUES (p_repo, p_tag, current.digest, next, tagged_by, p_actor, p_now, ending)
    ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, version = excluded.version, origin = excluded.origin,
      actor = excluded.actor, deleted_at = excluded.deleted_at, kind = excluded.kind;
  INSERT INTO statistics_deltas (tags) VALUES (-1);
  INSERT INTO pending_changes (at, kind, repository, digest, tag, actor, origin, version, tag_origin, tombstone)
    VALUES (p_now, 'tag-deleted', p_repository, current.digest, p_tag, p_actor, coalesce(p_tag_origin, p_origin), next, tagged_by, ending);
  RETURN true;
END $$;

CREATE FUNCTION fn.delete_tag(p_repository text, p_tag text, p_actor text, p_now bigint, p_origin text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE repo bigint;
BEGIN
  repo := fn.lock_repository(p_repository);
  RETURN repo IS NOT NULL AND fn.bury_tag(repo, p_repository, p_tag, p_actor, p_now, p_origin);
END $$;

-- Deletes a tag because another registry did; where there is none, its tombstone takes the version over. Who follows the feed hears
-- of a deletion that was news to this registry; of a mere version only the journal does.
CREATE FUNCTION fn.delete_replicated_tag(p_repository text, p_tag text, p_digest text, p_actor text, p_now bigint, p_version bigint, p_tag_origin text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE repo bigint := fn.lock_repository(p_repository); buried text; last text; tagged_by text := fn.origin_column(p_tag_origin);
BEGIN
  IF repo IS NULL THEN
    IF p_digest IS NULL THEN RETURN 'unknown'; END IF;
    PERFORM fn.ensure_repository(p_repository);
    repo := fn.lock_repository(p_repository);
  END IF;
  SELECT digest INTO buried FROM tag_tombstones WHERE repository_id = repo AND name = p_tag;
  IF NOT fn.is_news(repo, p_tag, p_version, p_tag_origin, '') THEN
    RETURN CASE WHEN buried IS NULL THEN 'conflict' ELSE 'unchanged' END;
  END IF;
  IF fn.bury_tag(repo, p_repository, p_tag, p_actor, p_now, NULL, false, p_version, p_tag_origin) THEN RETURN 'deleted'; END IF;
  last := coalesce(buried, p_digest);
  IF last IS NULL THEN RETURN 'unknown'; END IF;
  INSERT INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at, kind)
    VALUES (repo, p_tag, last, p_version, tagged_by, p_actor, p_now, 'deleted')
    ON CONFLICT (repository_id, name) DO UPDATE SET version = excluded.version, origin = excluded.origin, actor = excluded.actor,
      deleted_at = excluded.deleted_at, kind = excluded.kind;
  INSERT INTO pending_changes (at, kind, repository, digest, tag, actor, origin, version, tag_origin, tombstone)
    VALUES (p_now, CASE WHEN buried IS NULL THEN 'tag-deleted' ELSE 'tag-version' END, p_repository, CASE WHEN buried IS NULL THEN last END,
      p_tag, p_actor, p_tag_origin, p_version, tagged_by, 'deleted');
  RETURN 'noted';
END $$;
`;
