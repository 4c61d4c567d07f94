/**
 * What happens to blobs, one function a write: one round trip, and no lock is ever held while the network is waited for.
 * Locks are taken in this order everywhere: upload, repository, trash, blobs by digest, review queue by blob, so that nobody
 * waits for somebody who waits for him. `fn.` becomes this program's own names (`migrations.ts`).
 */
export const blobFunctions = `
CREATE FUNCTION fn.lock_repository(p_name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE found_id bigint;
BEGIN
  SELECT id INTO found_id FROM repositories WHERE name = p_name FOR NO KEY UPDATE;
  RETURN found_id;
END $$;

CREATE FUNCTION fn.ensure_repository(p_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM repositories WHERE name = p_name;
  IF NOT FOUND THEN INSERT INTO repositories (name) VALUES (p_name) ON CONFLICT (name) DO NOTHING; END IF;
END $$;

-- Whether a manifest of any repository has this blob as config or layer, or one in the trash. One statement for both: a manifest
-- goes from the one to the other in one commit.
CREATE FUNCTION fn.is_referenced(p_digest text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM edges WHERE target = p_digest AND kind IN ('config', 'layer')
    UNION ALL SELECT 1 FROM trash_edges WHERE target = p_digest AND kind IN ('config', 'layer') LIMIT 1;
  RETURN FOUND;
END $$;

-- Puts those of these blobs that no manifest refers to into the review queue; one that is there already starts its grace
-- time anew. The caller holds their rows FOR NO KEY UPDATE, so that no reference comes or goes meanwhile.
CREATE FUNCTION fn.review(p_digests text[], p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE one record; entered bigint := 0;
BEGIN
  FOR one IN SELECT id, digest, size FROM blobs WHERE digest = ANY (p_digests) ORDER BY digest LOOP
    CONTINUE WHEN fn.is_referenced(one.digest);
    UPDATE review_queue SET since = greatest(since, p_now), condemned_at = NULL WHERE blob_id = one.id;
    IF NOT FOUND THEN
      INSERT INTO review_queue (blob_id, since, size) VALUES (one.id, p_now, one.size);
      entered := entered + one.size;
    END IF;
  END LOOP;
  IF entered <> 0 THEN INSERT INTO statistics_deltas (reclaimable_bytes) VALUES (entered); END IF;
END $$;

-- Stands for the row of a blob that is not there: its first push, and manifests that name it already, go one after the other.
CREATE FUNCTION fn.lock_absent(p_digest text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(p_digest, 4704584));
END $$;

CREATE FUNCTION fn.add_blob(p_repository text, p_digest text, p_size bigint, p_key text, p_upload text, p_now bigint, p_delay bigint)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE old record; blob bigint;
BEGIN
  DELETE FROM uploads WHERE id = p_upload;
  IF NOT FOUND THEN RETURN 'unknown-upload'; END IF;
  PERFORM fn.ensure_repository(p_repository);
  LOOP
    SELECT * INTO old FROM blobs WHERE digest = p_digest FOR NO KEY UPDATE;
    IF FOUND THEN
      blob := old.id;
      -- The bytes that were verified just now win, which heals every repository that names them.
      UPDATE blobs SET key = p_key, state = 'ok', damage = NULL, leased_at = greatest(leased_at, p_now),
        created_at = CASE WHEN key = p_key THEN created_at ELSE p_now END WHERE id = blob;
      IF old.key <> p_key THEN
        INSERT INTO removals (key, size, created_at, removed_at, not_before)
          VALUES (old.key, old.size, old.created_at, p_now, p_now + p_delay) ON CONFLICT (key) DO NOTHING;
      END IF;
      EXIT;
    END IF;
    PERFORM fn.lock_absent(p_digest);
    INSERT INTO blobs (digest, size, key, leased_at, created_at) VALUES (p_digest, p_size, p_key, p_now, p_now)
      ON CONFLICT (digest) DO NOTHING RETURNING id INTO blob;
    IF FOUND THEN
      INSERT INTO statistics_deltas (blobs, blob_bytes) VALUES (1, p_size);
      EXIT;
    END IF;
  END LOOP;
  INSERT INTO repository_blobs (blob_id, repository) VALUES (blob, p_repository) ON CONFLICT DO NOTHING;
  PERFORM fn.review(ARRAY[p_digest], p_now);
  RETURN 'named';
END $$;

CREATE FUNCTION fn.is_visible(p_repository text, p_digest text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM blobs b JOIN repository_blobs v ON v.blob_id = b.id AND v.repository = p_repository
    WHERE b.digest = p_digest AND b.state = 'ok';
  RETURN FOUND;
END $$;

-- A blob that a manifest needs is locked lightly, since base layers are mounted and pushed by everybody at once.
CREATE FUNCTION fn.mount_blob(p_repository text, p_from text, p_digest text, p_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE needed boolean; blob bigint;
BEGIN
  IF NOT fn.is_visible(p_from, p_digest) THEN RETURN false; END IF;
  PERFORM fn.ensure_repository(p_repository);
  needed := fn.is_referenced(p_digest);
  IF needed THEN
    SELECT id INTO blob FROM blobs WHERE digest = p_digest FOR SHARE;
  ELSE
    SELECT id INTO blob FROM blobs WHERE digest = p_digest FOR NO KEY UPDATE;
  END IF;
  -- What was seen before the lock has changed: begin again, with nothing written.
  IF blob IS NULL OR NOT fn.is_visible(p_from, p_digest) OR (needed AND NOT fn.is_referenced(p_digest)) THEN
    RAISE EXCEPTION 'the blob changed while it was mounted' USING ERRCODE = 'serialization_failure';
  END IF;
  INSERT INTO repository_blobs (blob_id, repository) VALUES (blob, p_repository) ON CONFLICT DO NOTHING;
  IF NOT needed THEN
    UPDATE blobs SET leased_at = greatest(leased_at, p_now) WHERE id = blob;
    PERFORM fn.review(ARRAY[p_digest], p_now);
  END IF;
  RETURN true;
END $$;

-- Digests that are not there (any more) come back. Only what waits in the review queue is leased.
CREATE FUNCTION fn.renew_lease(p_digests text[], p_now bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE wanted text; blob bigint;
BEGIN
  FOR wanted IN SELECT DISTINCT d COLLATE "C" AS d FROM unnest(p_digests) AS d ORDER BY d LOOP
    SELECT id INTO blob FROM blobs WHERE digest = wanted AND state = 'ok' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      RETURN NEXT wanted;
      CONTINUE;
    END IF;
    UPDATE review_queue SET condemned_at = NULL WHERE blob_id = blob;
    IF FOUND THEN UPDATE blobs SET leased_at = greatest(leased_at, p_now) WHERE id = blob; END IF;
  END LOOP;
END $$;

CREATE FUNCTION fn.delete_blob(p_repository text, p_digest text, p_now bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE repo bigint; blob bigint;
BEGIN
  repo := fn.lock_repository(p_repository);
  IF repo IS NULL THEN RETURN 'unknown'; END IF;
  SELECT id INTO blob FROM blobs WHERE digest = p_digest FOR NO KEY UPDATE;
  PERFORM 1 FROM repository_blobs WHERE blob_id = blob AND repository = p_repository;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  PERFORM 1 FROM edges WHERE target = p_digest AND repository_id = repo AND kind IN ('config', 'layer')
    UNION ALL SELECT 1 FROM trash_edges WHERE target = p_digest AND repository = p_repository AND kind IN ('config', 'layer') LIMIT 1;
  IF FOUND THEN RETURN 'referenced'; END IF;
  DELETE FROM repository_blobs WHERE blob_id = blob AND repository = p_repository;
  PERFORM fn.review(ARRAY[p_digest], p_now);
  INSERT INTO pending_changes (at, kind, repository, digest, actor) VALUES (p_now, 'blob-deleted', p_repository, p_digest, '');
  RETURN 'deleted';
END $$;

-- Condemned blobs that still nothing refers to; rows that somebody works with are left for the next time.
CREATE FUNCTION fn.drop_condemned(p_condemned_before bigint, p_before bigint, p_now bigint, p_limit bigint, p_delay bigint)
RETURNS TABLE (digest text, size bigint, key text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE chosen bigint[]; one record;
BEGIN
  SELECT array_agg(locked.id) INTO chosen FROM (
    SELECT b.id FROM review_queue q JOIN blobs b ON b.id = q.blob_id
    WHERE q.condemned_at <= p_condemned_before ORDER BY q.condemned_at LIMIT p_limit FOR UPDATE OF b SKIP LOCKED
  ) AS locked;
  -- A new statement sees everything that was committed before the rows were locked.
  FOR one IN
    SELECT b.id, b.digest, b.size, b.key, b.created_at FROM blobs b JOIN review_queue q ON q.blob_id = b.id
    WHERE b.id = ANY (chosen) AND q.condemned_at <= p_condemned_before AND q.since <= p_before AND b.leased_at <= p_before
  LOOP
    CONTINUE WHEN fn.is_referenced(one.digest);
    DELETE FROM blobs b WHERE b.id = one.id;
    INSERT INTO removals (key, size, created_at, removed_at, not_before)
      VALUES (one.key, one.size, one.created_at, p_now, p_now + p_delay) ON CONFLICT DO NOTHING;
    INSERT INTO statistics_deltas (blobs, blob_bytes, reclaimable_bytes) VALUES (-1, -one.size, -one.size);
    digest := one.digest; size := one.size; key := one.key;
    RETURN NEXT;
  END LOOP;
END $$;
`;
