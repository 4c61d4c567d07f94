import { contentOf } from '../raw-image.ts';
import type { ExportedRow } from '../recovery.ts';

/** How rows of one kind are put in: their columns as arrays, and the statements that take them (by the places of the columns). */
export interface Kind {
  readonly columns: readonly ((row: never) => unknown)[];
  readonly statements: readonly { readonly text: string; readonly wants: readonly number[] }[];
}

type Row<Name extends ExportedRow['row']> = Extract<ExportedRow, { row: Name }>;
type Columns<Name extends ExportedRow['row']> = readonly ((row: Row<Name>) => unknown)[];

function kind<Name extends ExportedRow['row']>(
  columns: Columns<Name>,
  ...texts: readonly (string | { text: string; wants: readonly number[] })[]
): Kind {
  const all = columns.map((_, at) => at);
  const statements = texts.map((text) => (typeof text === 'string' ? { text, wants: all } : text));
  return { columns: columns as Kind['columns'], statements };
}

const ensureRepositories = {
  text: 'INSERT INTO repositories (name) SELECT DISTINCT n FROM unnest($1::text[]) AS n ORDER BY n ON CONFLICT DO NOTHING',
  wants: [0],
};

export const importStatements: { readonly [Name in ExportedRow['row']]: Kind } = {
  // Later changes get later numbers than all that the export knew of; the registry is who it was.
  head: kind<'head'>(
    [({ sequence }) => sequence, ({ identity }) => identity ?? null],
    {
      text: 'UPDATE feed SET sequence = greatest(sequence, (SELECT max(s) FROM unnest($1::bigint[]) AS s)) WHERE one = 1',
      wants: [0],
    },
    {
      text: 'UPDATE identity SET value = coalesce((SELECT max(i) FROM unnest($1::text[]) AS i), value) WHERE one = 1',
      wants: [1],
    },
  ),
  repository: kind<'repository'>([({ name }) => name, ({ tagFloor }) => tagFloor ?? 0], ensureRepositories, {
    text: `UPDATE repositories SET tag_floor = k.floor FROM unnest($1::text[], $2::bigint[]) AS k (name, floor)
      WHERE repositories.name = k.name AND k.floor > 0`,
    wants: [0, 1],
  }),
  blob: kind<'blob'>(
    [
      ({ digest }) => digest,
      ({ size }) => size,
      ({ key }) => key,
      ({ damage }) => damage ?? null,
      ({ createdAt }) => createdAt,
    ],
    `INSERT INTO blobs (digest, size, key, state, damage, leased_at, created_at)
     SELECT d, s, k, CASE WHEN m IS NULL THEN 'ok' ELSE 'quarantined' END, m, c, c
     FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[]) AS b (d, s, k, m, c)`,
  ),
  visible: kind<'visible'>(
    [({ repository }) => repository, ({ digest }) => digest],
    `INSERT INTO repository_blobs (blob_id, repository) SELECT b.id, v.r FROM unnest($1::text[], $2::text[]) AS v (r, d)
     JOIN blobs b ON b.digest = v.d ON CONFLICT DO NOTHING`,
  ),
  manifest: kind<'manifest'>(
    [
      ({ repository }) => repository,
      ({ digest }) => digest,
      ({ mediaType }) => mediaType,
      ({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      ({ subject }) => subject ?? null,
      ({ artifactType }) => artifactType ?? null,
      ({ annotations }) => (annotations === undefined ? null : JSON.stringify(annotations)),
      ({ pushedAt }) => pushedAt,
      ({ pushedBy }) => pushedBy,
      ({ origin }) => origin ?? null,
      ({ pulledHour }) => pulledHour ?? null,
      ({ edges }) => JSON.stringify(edges),
      (row) => contentOf(row)[0],
      (row) => contentOf(row)[1],
      (row) => contentOf(row)[2],
    ],
    ensureRepositories,
    `WITH given AS (
       SELECT r.id AS repository_id, g.* FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[],
         $8::bigint[], $9::text[], $10::text[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::text[])
         AS g (repository, digest, media_type, bytes, subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour, edges,
           content_size, config, children)
       JOIN repositories r ON r.name = g.repository
     ), added AS (
       INSERT INTO manifests (repository_id, digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour,
         content_size, config, children)
       SELECT repository_id, digest, media_type, octet_length(bytes), subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour,
         content_size, config, children
       FROM given RETURNING id, repository_id, digest
     ), filled AS (
       INSERT INTO manifest_bytes (manifest_id, bytes)
       SELECT a.id, g.bytes FROM added a JOIN given g ON g.repository_id = a.repository_id AND g.digest = a.digest
     )
     INSERT INTO edges (manifest_id, kind, target, repository_id)
     SELECT a.id, e.value ->> 'kind', e.value ->> 'digest', a.repository_id
     FROM added a JOIN given g ON g.repository_id = a.repository_id AND g.digest = a.digest CROSS JOIN LATERAL json_array_elements(g.edges::json) AS e (value)
     ON CONFLICT DO NOTHING`,
  ),
  tag: kind<'tag'>(
    [
      ({ repository }) => repository,
      ({ name }) => name,
      ({ digest }) => digest,
      ({ version }) => version,
      ({ origin }) => origin ?? null,
      ({ actor }) => actor,
      ({ changedAt }) => changedAt,
    ],
    ensureRepositories,
    `INSERT INTO tags (repository_id, name, manifest_id, version, origin, actor, changed_at)
     SELECT r.id, t.name, m.id, t.version, t.origin, t.actor, t.changed_at
     FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[])
       AS t (repository, name, digest, version, origin, actor, changed_at)
     JOIN repositories r ON r.name = t.repository JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest`,
  ),
  tombstone: kind<'tombstone'>(
    [
      ({ repository }) => repository,
      ({ name }) => name,
      ({ digest }) => digest,
      ({ version }) => version,
      ({ origin }) => origin ?? null,
      ({ actor }) => actor,
      ({ deletedAt }) => deletedAt,
      ({ kind }) => kind ?? 'deleted',
    ],
    ensureRepositories,
    `INSERT INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at, kind)
     SELECT r.id, t.name, t.digest, t.version, t.origin, t.actor, t.deleted_at, t.kind
     FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[])
       AS t (repository, name, digest, version, origin, actor, deleted_at, kind)
     JOIN repositories r ON r.name = t.repository`,
  ),
  rule: kind<'rule'>(
    [
      ({ kind }) => kind,
      ({ name }) => name,
      ({ generation }) => generation,
      ({ document }) => document,
      ({ changedAt }) => changedAt,
      ({ changedBy }) => changedBy,
      ({ uid }) => uid ?? '',
    ],
    `INSERT INTO rules (kind, name, generation, document, changed_at, changed_by, uid)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[])
     ON CONFLICT (kind, name) DO UPDATE SET uid = excluded.uid, generation = excluded.generation, document = excluded.document,
       changed_at = excluded.changed_at, changed_by = excluded.changed_by, state = NULL`,
  ),
  trash: kind<'trash'>(
    [
      ({ repository }) => repository,
      ({ digest }) => digest,
      ({ mediaType }) => mediaType,
      ({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      ({ subject }) => subject ?? null,
      ({ artifactType }) => artifactType ?? null,
      ({ annotations }) => (annotations === undefined ? null : JSON.stringify(annotations)),
      ({ pushedAt }) => pushedAt,
      ({ pushedBy }) => pushedBy,
      ({ origin }) => origin ?? null,
      ({ pulledHour }) => pulledHour ?? null,
      ({ edges }) => JSON.stringify(edges),
      ({ contentSize }) => contentSize,
      (row) => contentOf(row)[1],
      (row) => contentOf(row)[2],
      ({ expiredAt }) => expiredAt,
      ({ until }) => until,
      ({ policy }) => policy,
      ({ tags }) => JSON.stringify(tags),
    ],
    ensureRepositories,
    `WITH given AS (
       SELECT g.* FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
         $10::text[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::text[], $19::text[])
         AS g (repository, digest, media_type, bytes, subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour, edges,
           content_size, config, children, expired_at, until, policy, tags)
     ), added AS (
       INSERT INTO trash (repository, digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour,
         content_size, config, children, expired_at, until, policy)
       SELECT repository, digest, media_type, octet_length(bytes), subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour,
         content_size, config, children, expired_at, until, policy
       FROM given RETURNING id, repository, digest
     ), filled AS (
       INSERT INTO trash_bytes (trash_id, bytes)
       SELECT a.id, g.bytes FROM added a JOIN given g ON g.repository = a.repository AND g.digest = a.digest
     ), tagged AS (
       INSERT INTO trash_tags (trash_id, name, repository)
       SELECT a.id, t.name, a.repository FROM added a JOIN given g ON g.repository = a.repository AND g.digest = a.digest
         CROSS JOIN LATERAL json_array_elements_text(g.tags::json) AS t (name)
     )
     INSERT INTO trash_edges (trash_id, kind, target, repository)
     SELECT a.id, e.value ->> 'kind', e.value ->> 'digest', a.repository
     FROM added a JOIN given g ON g.repository = a.repository AND g.digest = a.digest CROSS JOIN LATERAL json_array_elements(g.edges::json) AS e (value)
     ON CONFLICT DO NOTHING`,
  ),
};
