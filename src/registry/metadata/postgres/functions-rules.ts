/** What this registry was told to do. The feed tells of each rule that came, changed or went. */
export const ruleFunctions = `
-- The insert makes everybody who writes the rule wait for one another; where it is there already its row is held instead.
CREATE FUNCTION fn.put_rule(p_kind text, p_name text, p_uid text, p_generation bigint, p_document text, p_now bigint, p_by text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE known record;
BEGIN
  LOOP
    INSERT INTO rules (kind, name, uid, generation, document, changed_at, changed_by)
      VALUES (p_kind, p_name, p_uid, p_generation, p_document, p_now, p_by) ON CONFLICT (kind, name) DO NOTHING;
    EXIT WHEN FOUND;
    SELECT uid, generation, document INTO known FROM rules WHERE kind = p_kind AND name = p_name FOR UPDATE;
    CONTINUE WHEN NOT FOUND;
    IF known.uid = p_uid AND known.generation > p_generation THEN RETURN 'older'; END IF;
    IF known.uid = p_uid AND known.generation = p_generation AND known.document = p_document THEN RETURN 'unchanged'; END IF;
    -- A rule of another resource is another rule: what the worker knew of the one before is gone.
    UPDATE rules SET uid = p_uid, generation = p_generation, document = p_document, changed_at = p_now, changed_by = p_by,
      state = CASE WHEN uid = p_uid THEN state END WHERE kind = p_kind AND name = p_name;
    EXIT;
  END LOOP;
  INSERT INTO pending_changes (at, kind, repository, actor, rule) VALUES (p_now, 'rule-put', '', p_by, p_kind || '/' || p_name);
  RETURN 'stored';
END $$;

CREATE FUNCTION fn.delete_rule(p_kind text, p_name text, p_by text, p_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM rules WHERE kind = p_kind AND name = p_name;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO pending_changes (at, kind, repository, actor, rule)
    VALUES (coalesce(p_now, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), 'rule-deleted', '', p_by, p_kind || '/' || p_name);
  RETURN true;
END $$;
`;
