import { CHILDREN, CONFIG, CONTENT_SIZE } from './image-columns.ts';

const COMMON =
  'digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour';

/**
 * Expiry, and the way back. Locks are taken in this order: the revision of what is in use, repository, manifests by id, trash,
 * blobs by digest. A reference of a blob moves between edges and trash in one transaction, and whoever looks for one looks at both
 * in one statement, so that no blob need be held for it.
 */
export const retentionFunctions = `
-- Those of the batch that go: what has to stay has taken along what belongs to it. Digests, the tags and the hour of the last pull
-- that were seen, and who refers to whom by its tags.
CREATE FUNCTION fn.going(p_repo bigint, p_digests text[], p_tags text[], p_hours bigint[], p_referrers text[], p_subjects text[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE going bigint[]; wanted bigint[]; stays bigint[]; held bigint[]; holding bigint[];
BEGIN
  -- Pulls are noted without the repository being held.
  PERFORM 1 FROM manifests WHERE repository_id = p_repo AND digest = ANY (p_digests) ORDER BY id FOR UPDATE;
  SELECT coalesce(array_agg(m.id) FILTER (WHERE s.same), '{}'), coalesce(array_agg(m.id) FILTER (WHERE NOT s.same), '{}') INTO going, wanted
    FROM unnest(p_digests, p_tags, p_hours) AS a (digest, tags, hour)
    JOIN manifests m ON m.repository_id = p_repo AND m.digest = a.digest
    CROSS JOIN LATERAL (SELECT coalesce(m.pulled_hour, -1) <= a.hour
      AND coalesce((SELECT string_agg(t.name, chr(10) ORDER BY t.name) FROM tags t WHERE t.manifest_id = m.id), '') = a.tags AS same) AS s;
  stays := wanted;
  LOOP
    -- Who wants an image wants the index that holds it.
    holding := ARRAY(SELECT DISTINCT e.manifest_id FROM unnest(wanted) AS w (id) JOIN manifests m ON m.id = w.id
      JOIN edges e ON e.target = m.digest AND e.repository_id = p_repo AND e.kind = 'child' WHERE e.manifest_id = ANY (going));
    wanted := wanted || holding;
    held := ARRAY(SELECT g.id FROM unnest(going) AS g (id) JOIN manifests m ON m.id = g.id
      WHERE EXISTS (SELECT 1 FROM edges e WHERE e.target = m.digest AND e.repository_id = p_repo AND e.kind = 'child'
          AND e.manifest_id <> ALL (going))
        OR (SELECT s.id FROM manifests s WHERE s.repository_id = p_repo AND s.digest = m.subject) = ANY (stays)
        OR EXISTS (SELECT 1 FROM unnest(p_referrers, p_subjects) AS r (referrer, subject)
          JOIN manifests s ON s.repository_id = p_repo AND s.digest = r.subject WHERE r.referrer = m.digest AND s.id = ANY (stays)));
    EXIT WHEN cardinality(holding) + cardinality(held) = 0;
    stays := stays || holding || held;
    going := ARRAY(SELECT g.id FROM unnest(going) AS g (id) WHERE g.id <> ALL (holding || held));
  END LOOP;
  RETURN going;
END $$;

CREATE FUNCTION fn.expire(p_repository text, p_digests text[], p_tags text[], p_hours bigint[], p_referrers text[], p_subjects text[],
  p_policy text, p_until bigint, p_revision bigint, p_actor text, p_now bigint, p_origin text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE repo bigint; going bigint[]; image record; tag text; expired text[] := '{}';
BEGIN
  -- Held until the end: a report that comes meanwhile is taken after it, and finds in the trash what it names.
  PERFORM 1 FROM in_use WHERE one = 1 AND revision = p_revision FOR SHARE;
  IF NOT FOUND THEN RETURN jsonb_build_object('outcome', 'in-use-changed'); END IF;
  repo := fn.lock_repository(p_repository);
  going := fn.going(coalesce(repo, -1), p_digests, p_tags, p_hours, p_referrers, p_subjects);
  -- Programs of before leave a row in the trash when its image is pushed again.
  DELETE FROM trash t USING unnest(going) AS g (id), manifests m WHERE m.id = g.id AND t.digest = m.digest AND t.repository = p_repository;
  INSERT INTO trash (repository, ${COMMON}, content_size, config, children, expired_at, until, policy)
    SELECT p_repository, ${COMMON}, ${CONTENT_SIZE}, ${CONFIG}, ${CHILDREN}, p_now, p_until, p_policy FROM manifests m WHERE m.id = ANY (going);
  FOR image IN SELECT m.id, m.digest, t.id AS trash_id FROM unnest(going) AS g (id) JOIN manifests m ON m.id = g.id
    JOIN trash t ON t.digest = m.digest AND t.repository = p_repository
  LOOP
    INSERT INTO trash_bytes (trash_id, bytes) SELECT image.trash_id, b.bytes FROM manifest_bytes b WHERE b.manifest_id = image.id;
    INSERT INTO trash_edges (trash_id, kind, target, repository)
      SELECT image.trash_id, e.kind, e.target, p_repository FROM edges e WHERE e.manifest_id = image.id;
    INSERT INTO trash_tags (trash_id, name, repository)
      SELECT image.trash_id, t.name, p_repository FROM tags t WHERE t.manifest_id = image.id;
    FOR tag IN SELECT name FROM trash_tags WHERE trash_id = image.trash_id ORDER BY name LOOP
      PERFORM fn.bury_tag(repo, p_repository, tag, p_actor, p_now, p_origin, true);
    END LOOP;
    INSERT INTO pending_changes (at, kind, repository, digest, actor, origin)
      VALUES (p_now, 'manifest-deleted', p_repository, image.digest, p_actor, p_origin);
    expired := expired || image.digest;
  END LOOP;
  DELETE FROM manifests WHERE id = ANY (going);
  UPDATE repositories SET listed = false
    WHERE id = repo AND listed AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = repo);
  INSERT INTO statistics_deltas (manifests, repositories) VALUES (-cardinality(going), -(FOUND::int));
  RETURN jsonb_build_object('outcome', 'done', 'expired', to_jsonb(expired));
END $$;

-- These, their children and their referrers, as far as they are in the trash.
CREATE FUNCTION fn.trashed_family(p_repository text, p_digests text[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(
    WITH RECURSIVE family (id, digest) AS (
      SELECT t.id, t.digest FROM trash t WHERE t.digest = ANY (p_digests) AND t.repository = p_repository
      UNION
      SELECT r.id, r.digest FROM family f CROSS JOIN LATERAL (
        SELECT c.id, c.digest FROM trash t CROSS JOIN LATERAL unnest(string_to_array(t.children, chr(10))) AS k (digest)
          JOIN trash c ON c.digest = k.digest AND c.repository = p_repository WHERE t.id = f.id
        UNION ALL
        SELECT s.id, s.digest FROM trash s WHERE s.repository = p_repository AND s.subject = f.digest
        UNION ALL
        SELECT s.id, s.digest FROM unnest(ARRAY['.sig', '.att', '.sbom']) AS k (ending)
          JOIN trash_tags g ON g.repository = p_repository AND g.name = replace(f.digest, ':', '-') || k.ending
          JOIN trash s ON s.id = g.trash_id
      ) AS r
    )
    SELECT id FROM family
  );
END $$;

-- A tag is free where the last that happened to it, as far as is still known, is that it expired with this image.
CREATE FUNCTION fn.is_free(p_repo bigint, p_tag text, p_digest text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM tags WHERE repository_id = p_repo AND name = p_tag;
  IF FOUND THEN RETURN false; END IF;
  PERFORM 1 FROM tag_tombstones WHERE repository_id = p_repo AND name = p_tag AND NOT (kind = 'expired' AND digest = p_digest);
  RETURN NOT FOUND;
END $$;

CREATE FUNCTION fn.restore(p_repository text, p_digests text[], p_actor text, p_now bigint, p_origin text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  repo bigint := fn.lock_repository(p_repository);
  family bigint[] := fn.trashed_family(p_repository, p_digests);
  one record; manifest bigint; tag text; restored jsonb := '[]'; free text[]; taken text[];
BEGIN
  -- Children come before the index that holds them.
  FOR one IN SELECT id, digest FROM trash WHERE id = ANY (family) ORDER BY children IS NOT NULL, id FOR UPDATE LOOP
    INSERT INTO manifests (repository_id, ${COMMON}, content_size, config, children)
      SELECT repo, ${COMMON}, content_size, config, children FROM trash WHERE id = one.id
      ON CONFLICT (repository_id, digest) DO NOTHING RETURNING id INTO manifest;
    -- Pushed again through a program of before.
    CONTINUE WHEN NOT FOUND;
    INSERT INTO manifest_bytes (manifest_id, bytes) SELECT manifest, b.bytes FROM trash_bytes b WHERE b.trash_id = one.id;
    INSERT INTO edges (manifest_id, kind, target, repository_id) SELECT manifest, e.kind, e.target, repo FROM trash_edges e WHERE e.trash_id = one.id;
    INSERT INTO pending_changes (at, kind, repository, digest, actor, origin)
      VALUES (p_now, 'manifest-put', p_repository, one.digest, p_actor, p_origin);
    free := '{}';
    taken := '{}';
    FOR tag IN SELECT name FROM trash_tags WHERE trash_id = one.id ORDER BY name LOOP
      IF fn.is_free(repo, tag, one.digest) THEN
        PERFORM fn.set_tag(repo, p_repository, tag, manifest, one.digest, p_actor, p_now, p_origin);
        free := free || tag;
      ELSE
        taken := taken || tag;
      END IF;
    END LOOP;
    DELETE FROM trash WHERE id = one.id;
    UPDATE repositories SET listed = true WHERE id = repo AND NOT listed;
    INSERT INTO statistics_deltas (manifests, repositories) VALUES (1, FOUND::int);
    restored := restored || jsonb_build_object('digest', one.digest, 'tags', to_jsonb(free), 'tagsTaken', to_jsonb(taken));
  END LOOP;
  RETURN restored;
END $$;

-- The caller holds these rows.
CREATE FUNCTION fn.end_stay(p_ids bigint[], p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE blobs_then text[];
BEGIN
  blobs_then := ARRAY(SELECT DISTINCT target FROM trash_edges WHERE trash_id = ANY (p_ids) AND kind IN ('config', 'layer'));
  PERFORM fn.lock_blobs(blobs_then, true);
  DELETE FROM trash WHERE id = ANY (p_ids);
  PERFORM fn.review(blobs_then, p_now);
END $$;

-- Rows that somebody restores are left to him.
CREATE FUNCTION fn.empty_trash(p_now bigint, p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE due bigint[] := ARRAY(SELECT id FROM trash WHERE until <= p_now ORDER BY until LIMIT p_limit FOR UPDATE SKIP LOCKED);
BEGIN
  PERFORM fn.end_stay(due, p_now);
  RETURN cardinality(due);
END $$;

CREATE FUNCTION fn.put_inventory(p_cluster text, p_reported bigint, p_received bigint, p_document text, p_names text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE now_at bigint; known text[];
BEGIN
  SELECT revision INTO now_at FROM in_use WHERE one = 1 FOR NO KEY UPDATE;
  SELECT names INTO known FROM inventories WHERE cluster = p_cluster;
  INSERT INTO inventories (cluster, reported_at, received_at, document, names) VALUES (p_cluster, p_reported, p_received, p_document, p_names)
    ON CONFLICT (cluster) DO UPDATE SET reported_at = excluded.reported_at, received_at = excluded.received_at,
      document = excluded.document, names = excluded.names;
  PERFORM n FROM unnest(p_names) AS n EXCEPT SELECT n FROM unnest(known) AS n LIMIT 1;
  IF NOT FOUND THEN RETURN now_at; END IF;
  UPDATE in_use SET revision = now_at + 1 WHERE one = 1;
  RETURN now_at + 1;
END $$;
`;
