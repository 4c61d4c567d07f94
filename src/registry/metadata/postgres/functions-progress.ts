/** The change feed, the counts, and what is cleared away. */
export const progressFunctions = `
-- Gives committed changes their place in the feed. Ids of one tag are drawn while its repository is held, so that sorting by id keeps
-- each tag's order; a change that commits later comes later, whatever its id: no reader is ever overtaken.
CREATE FUNCTION fn.stamp(p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE base bigint; stamped bigint;
BEGIN
  PERFORM 1 FROM pending_changes LIMIT 1;
  IF NOT FOUND THEN RETURN 0; END IF;
  SELECT sequence INTO base FROM feed WHERE one = 1 FOR UPDATE;
  WITH gone AS (
    DELETE FROM pending_changes WHERE id IN (SELECT id FROM pending_changes ORDER BY id LIMIT p_limit) RETURNING *
  )
  INSERT INTO changes (sequence, at, kind, repository, digest, tag, actor, origin, version, tag_origin, tombstone, rule)
    SELECT base + row_number() OVER (ORDER BY id), at, kind, repository, digest, tag, actor, origin, version, tag_origin, tombstone, rule FROM gone;
  GET DIAGNOSTICS stamped = ROW_COUNT;
  UPDATE feed SET sequence = base + stamped WHERE one = 1;
  RETURN stamped;
END $$;

-- Adds up what writers noted. One at a time; who comes second has nothing to do.
CREATE FUNCTION fn.fold_statistics() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM statistics WHERE one = 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN; END IF;
  WITH gone AS (DELETE FROM statistics_deltas RETURNING *),
  sums AS (
    SELECT coalesce(sum(repositories), 0) AS r, coalesce(sum(manifests), 0) AS m, coalesce(sum(tags), 0) AS t,
      coalesce(sum(blobs), 0) AS b, coalesce(sum(blob_bytes), 0) AS s, coalesce(sum(reclaimable_bytes), 0) AS q FROM gone
  )
  UPDATE statistics SET repositories = repositories + r, manifests = manifests + m, tags = tags + t, blobs = blobs + b,
    blob_bytes = blob_bytes + s, reclaimable_bytes = reclaimable_bytes + q FROM sums WHERE one = 1;
END $$;

CREATE FUNCTION fn.trim_history(p_before bigint, p_buried_before bigint, p_up_to bigint, p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE changes_gone bigint; unread bigint;
BEGIN
  -- A tombstone stays while the change that tells of it, or an older one, has not been read.
  SELECT at INTO unread FROM changes WHERE sequence > p_up_to ORDER BY sequence LIMIT 1;
  DELETE FROM changes WHERE sequence IN (
    SELECT sequence FROM (SELECT sequence, at FROM changes WHERE sequence <= p_up_to ORDER BY sequence LIMIT p_limit) AS oldest WHERE at < p_before
  );
  GET DIAGNOSTICS changes_gone = ROW_COUNT;
  RETURN changes_gone + fn.trim_tombstones(least(p_buried_before, unread), p_limit);
END $$;

-- The repository remembers how far the versions of those names went. Its row is held first, as by everybody who writes tags; those
-- that somebody holds are left for the next time.
CREATE FUNCTION fn.trim_tombstones(p_before bigint, p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE repos bigint[]; names text[]; held bigint[]; one record; gone bigint := 0;
BEGIN
  SELECT array_agg(repository_id), array_agg(name) INTO repos, names FROM (
    SELECT repository_id, name FROM tag_tombstones WHERE deleted_at < p_before ORDER BY deleted_at LIMIT p_limit
  ) AS oldest;
  SELECT array_agg(id) INTO held FROM (
    SELECT id FROM repositories WHERE id = ANY (repos) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
  ) AS locked;
  FOR one IN SELECT * FROM unnest(repos, names) AS o (repo, name) WHERE repo = ANY (held) LOOP
    UPDATE repositories SET tag_floor = greatest(tag_floor, t.version) FROM tag_tombstones t
      WHERE repositories.id = one.repo AND t.repository_id = one.repo AND t.name = one.name AND t.deleted_at < p_before;
    IF FOUND THEN
      DELETE FROM tag_tombstones WHERE repository_id = one.repo AND name = one.name;
      gone := gone + 1;
    END IF;
  END LOOP;
  RETURN gone;
END $$;
`;
