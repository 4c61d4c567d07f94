/** Of a row `m` that a program of before wrote: worked out from its edges (`schema-retention.ts`). */
export const CONTENT_SIZE = `coalesce(m.content_size, m.size + (SELECT coalesce(sum(b.size), 0)::bigint FROM edges e JOIN blobs b ON b.digest = e.target
  WHERE e.manifest_id = m.id AND e.kind IN ('config', 'layer')))`;
export const CONFIG = `CASE WHEN m.content_size IS NOT NULL THEN m.config
  ELSE (SELECT e.target FROM edges e WHERE e.manifest_id = m.id AND e.kind = 'config' LIMIT 1) END`;
export const CHILDREN = `CASE WHEN m.content_size IS NOT NULL THEN m.children
  ELSE (SELECT string_agg(e.target, chr(10)) FROM edges e WHERE e.manifest_id = m.id AND e.kind = 'child') END`;
