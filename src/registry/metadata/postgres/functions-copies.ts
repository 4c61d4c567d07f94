/** What replication remembers of its copies. Rows are written in one order, since replicas may work for one rule. */
export const copyFunctions = `
CREATE FUNCTION fn.put_copies(p_rule text, p_target text, p_repositories text[], p_tags text[], p_digests text[], p_referrers text[],
  p_copied bigint[], p_missing bigint[], p_gone_repositories text[], p_gone_tags text[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM copies WHERE (rule, target, repository, tag) IN (
    SELECT c.rule, c.target, c.repository, c.tag FROM unnest(p_gone_repositories, p_gone_tags) AS k (repository, tag)
    JOIN copies c ON c.rule = p_rule AND c.target = p_target AND c.repository = k.repository AND c.tag = k.tag
    ORDER BY c.repository, c.tag FOR UPDATE OF c
  );
  INSERT INTO copies (rule, target, repository, tag, digest, referrers, copied_at, missing_since)
    SELECT p_rule, p_target, k.* FROM unnest(p_repositories, p_tags, p_digests, p_referrers, p_copied, p_missing)
      AS k (repository, tag, digest, referrers, copied_at, missing_since) ORDER BY k.repository COLLATE "C", k.tag COLLATE "C"
    ON CONFLICT (rule, target, repository, tag) DO UPDATE SET digest = excluded.digest, referrers = excluded.referrers,
      copied_at = excluded.copied_at, missing_since = excluded.missing_since;
END $$;

-- Looks for the first target of the rule that is not kept, and forgets at most p_limit rows of it. False at the end.
CREATE FUNCTION fn.drop_copies(p_rule text, p_keep text[], p_limit bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE found_target text := '';
BEGIN
  LOOP
    SELECT target INTO found_target FROM copies WHERE rule = p_rule AND target > found_target ORDER BY target LIMIT 1;
    IF NOT FOUND THEN RETURN false; END IF;
    EXIT WHEN found_target <> ALL (p_keep);
  END LOOP;
  DELETE FROM copies WHERE (rule, target, repository, tag) IN (
    SELECT rule, target, repository, tag FROM copies WHERE rule = p_rule AND target = found_target
    ORDER BY repository, tag LIMIT p_limit FOR UPDATE
  );
  RETURN true;
END $$;
`;
