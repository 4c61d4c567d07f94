/**
 * What happens to manifests. Everything that writes one repository's manifests or tags holds its row, so that its
 * history is one line; blobs are locked beside it because other repositories share them.
 */
export const manifestFunctions = `
CREATE FUNCTION fn.is_blob_edge(p_kind text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT p_kind IN ('config', 'layer') $$;

-- Edges arrive as three arrays of one length, in the order of the manifest.
CREATE FUNCTION fn.missing_targets(p_repository text, p_repo bigint, p_kinds text[], p_targets text[], p_required boolean[])
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE missing text[] := '{}'; present boolean;
BEGIN
  FOR n IN 1 .. cardinality(p_targets) LOOP
    CONTINUE WHEN NOT p_required[n];
    IF fn.is_blob_edge(p_kinds[n]) THEN
      present := fn.is_visible(p_repository, p_targets[n]);
    ELSE
      PERFORM 1 FROM manifests WHERE repository_id = p_repo AND digest = p_targets[n];
      present := FOUND;
    END IF;
    IF NOT present AND p_targets[n] <> ALL (missing) THEN missing := missing || p_targets[n]; END IF;
  END LOOP;
  RETURN missing;
END $$;

-- Writes the edges of a manifest; the blobs that they lead to leave the review queue.
CREATE FUNCTION fn.connect(p_manifest bigint, p_repo bigint, p_kinds text[], p_targets text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE blob bigint; freed bigint; total bigint := 0; wanted text;
BEGIN
  FOR n IN 1 .. cardinality(p_targets) LOOP
    INSERT INTO edges (manifest_id, kind, target, repository_id) VALUES (p_manifest, p_kinds[n], p_targets[n], p_repo) ON CONFLICT DO NOTHING;
  END LOOP;
  FOR wanted IN SELECT DISTINCT t COLLATE "C" AS t FROM unnest(p_kinds, p_targets) AS e (k, t) WHERE fn.is_blob_edge(k) ORDER BY t LOOP
    SELECT id INTO blob FROM blobs WHERE digest = wanted;
    CONTINUE WHEN NOT FOUND;
    DELETE FROM review_queue WHERE blob_id = blob RETURNING size INTO freed;
    IF FOUND THEN total := total + freed; END IF;
  END LOOP;
  IF total <> 0 THEN INSERT INTO statistics_deltas (reclaimable_bytes) VALUES (-total); END IF;
END $$;

-- Config and layers of a manifest.
CREATE FUNCTION fn.blobs_of(p_manifest bigint) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce((SELECT array_agg(target) FROM edges WHERE manifest_id = p_manifest AND kind IN ('config', 'layer')), '{}');
END $$;

CREATE FUNCTION fn.lock_blobs(p_digests text[], p_alone boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE wanted text; absent boolean;
BEGIN
  FOR wanted IN SELECT DISTINCT d COLLATE "C" AS d FROM unnest(p_digests) AS d ORDER BY d LOOP
    absent := false;
    LOOP
      IF p_alone THEN
        PERFORM 1 FROM blobs WHERE digest = wanted FOR NO KEY UPDATE;
      ELSE
        PERFORM 1 FROM blobs WHERE digest = wanted FOR SHARE;
      END IF;
      EXIT WHEN FOUND OR absent;
      PERFORM fn.lock_absent(wanted);
      absent := true;
    END LOOP;
  END LOOP;
END $$;

CREATE FUNCTION fn.put_manifest(
  p_repository text, p_digest text, p_media_type text, p_bytes bytea, p_subject text, p_artifact_type text, p_annotations text,
  p_kinds text[], p_targets text[], p_required boolean[], p_tags text[],
  p_create_only boolean, p_if_match text, p_if_none_match boolean, p_actor text, p_now bigint, p_origin text,
  p_version bigint, p_tag_origin text, p_content_size bigint, p_config text, p_children text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  repo bigint := fn.lock_repository(p_repository);
  known record; fresh boolean; retyped boolean; missing text[]; conflict jsonb; blobs_then text[] := '{}'; blobs_now text[]; tag text;
  trashed bigint;
BEGIN
  IF repo IS NULL THEN
    -- Nothing was ever pushed there, so what is required is missing; only a manifest that will be taken makes the repository.
    missing := fn.missing_targets(p_repository, -1, p_kinds, p_targets, p_required);
    IF cardinality(missing) > 0 THEN RETURN jsonb_build_object('outcome', 'missing', 'digests', to_jsonb(missing)); END IF;
    conflict := fn.first_conflict(-1, p_digest, p_tags, p_create_only, p_if_match, p_if_none_match, NULL, NULL);
    IF conflict IS NOT NULL THEN RETURN conflict; END IF;
    INSERT INTO repositories (name) VALUES (p_repository) ON CONFLICT (name) DO NOTHING;
    repo := fn.lock_repository(p_repository);
  END IF;

  SELECT id, media_type INTO known FROM manifests WHERE repository_id = repo AND digest = p_digest;
  fresh := NOT FOUND;
  retyped := NOT fresh AND known.media_type <> p_media_type;
  blobs_now := coalesce((SELECT array_agg(t) FROM unnest(p_kinds, p_targets) AS e (k, t) WHERE fn.is_blob_edge(k)), '{}');
  IF retyped THEN
    blobs_then := fn.blobs_of(known.id);
    PERFORM fn.lock_blobs(blobs_then || blobs_now, true);
  ELSIF fresh THEN
    -- What is pushed again is new: what the trash holds of it is not needed any more.
    SELECT id INTO trashed FROM trash WHERE digest = p_digest AND repository = p_repository FOR UPDATE;
    IF FOUND THEN
      blobs_then := ARRAY(SELECT target FROM trash_edges WHERE trash_id = trashed AND kind IN ('config', 'layer'));
      PERFORM fn.lock_blobs(blobs_then || blobs_now, true);
    ELSE
      PERFORM fn.lock_blobs(blobs_now, false);
    END IF;
  END IF;

  missing := fn.missing_targets(p_repository, repo, p_kinds, p_targets, p_required);
  IF cardinality(missing) > 0 THEN RETURN jsonb_build_object('outcome', 'missing', 'digests', to_jsonb(missing)); END IF;
  conflict := fn.first_conflict(repo, p_digest, p_tags, p_create_only, p_if_match, p_if_none_match, p_version, p_tag_origin);
  IF conflict IS NOT NULL THEN RETURN conflict; END IF;

  IF fresh THEN
    INSERT INTO manifests (repository_id, digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by, origin,
        content_size, config, children)
      VALUES (repo, p_digest, p_media_type, octet_length(p_bytes), p_subject, p_artifact_type, p_annotations, p_now, p_actor, p_origin,
        p_content_size, p_config, p_children)
      RETURNING id, media_type INTO known;
    INSERT INTO manifest_bytes (manifest_id, bytes) VALUES (known.id, p_bytes);
    PERFORM fn.connect(known.id, repo, p_kinds, p_targets);
    UPDATE repositories SET listed = true WHERE id = repo AND NOT listed;
    INSERT INTO statistics_deltas (manifests, repositories) VALUES (1, FOUND::int);
    IF trashed IS NOT NULL THEN
      DELETE FROM trash WHERE id = trashed;
      PERFORM fn.review(blobs_then, p_now);
    END IF;
  ELSIF retyped THEN
    UPDATE manifests SET media_type = p_media_type, subject = p_subject, artifact_type = p_artifact_type, annotations = p_annotations,
      content_size = p_content_size, config = p_config, children = p_children WHERE id = known.id;
    DELETE FROM edges WHERE manifest_id = known.id;
    PERFORM fn.connect(known.id, repo, p_kinds, p_targets);
    PERFORM fn.review(blobs_then, p_now);
  END IF;
  IF fresh OR retyped THEN
    INSERT INTO pending_changes (at, kind, repository, digest, actor, origin)
      VALUES (p_now, 'manifest-put', p_repository, p_digest, p_actor, p_origin);
  END IF;
  FOREACH tag IN ARRAY p_tags LOOP
    PERFORM fn.set_tag(repo, p_repository, tag, known.id, p_digest, p_actor, p_now, p_origin, p_version, p_tag_origin);
  END LOOP;
  RETURN jsonb_build_object('outcome', 'stored', 'created', fresh);
END $$;

CREATE FUNCTION fn.delete_manifest(p_repository text, p_digest text, p_actor text, p_now bigint, p_origin text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE repo bigint := fn.lock_repository(p_repository); manifest bigint; tag text; blobs_then text[];
BEGIN
  SELECT id INTO manifest FROM manifests WHERE repository_id = repo AND digest = p_digest;
  IF manifest IS NULL THEN RETURN false; END IF;
  FOR tag IN SELECT name FROM tags WHERE manifest_id = manifest ORDER BY name LOOP
    PERFORM fn.bury_tag(repo, p_repository, tag, p_actor, p_now, p_origin);
  END LOOP;
  blobs_then := fn.blobs_of(manifest);
  PERFORM fn.lock_blobs(blobs_then, true);
  DELETE FROM manifests WHERE id = manifest;
  PERFORM fn.review(blobs_then, p_now);
  UPDATE repositories SET listed = false
    WHERE id = repo AND listed AND NOT EXISTS (SELECT 1 FROM manifests WHERE repository_id = repo);
  INSERT INTO statistics_deltas (manifests, repositories) VALUES (-1, -(FOUND::int));
  INSERT INTO pending_changes (at, kind, repository, digest, actor, origin)
    VALUES (p_now, 'manifest-deleted', p_repository, p_digest, p_actor, p_origin);
  RETURN true;
END $$;

-- Keeps the latest hour in which each manifest was pulled. Rows are locked in one order, because replicas note at once.
CREATE FUNCTION fn.note_pulls(p_repositories text[], p_digests text[], p_hours bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE one record;
BEGIN
  FOR one IN
    SELECT m.id, max(p.h) AS h FROM unnest(p_repositories, p_digests, p_hours) AS p (r, d, h)
    JOIN repositories r ON r.name = p.r JOIN manifests m ON m.repository_id = r.id AND m.digest = p.d
    WHERE coalesce(m.pulled_hour, -1) < p.h GROUP BY m.id ORDER BY m.id
  LOOP
    UPDATE manifests SET pulled_hour = one.h WHERE id = one.id AND coalesce(pulled_hour, -1) < one.h;
  END LOOP;
END $$;
`;
