import type { Digest } from '../../../../domain/oci/digest.ts';
import { contentOf } from '../../raw-image.ts';
import type { ExportedRow, SnapshotRow } from '../../recovery.ts';
import { StoreError } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { ensureRepository } from './repositories.ts';
import { UNREFERENCED } from './review.ts';

/** Adds a snapshot to those that are kept; one of that name takes the new values. */
export function addSnapshot(connection: Connection, { name, sequence, takenAt, size }: SnapshotRow): void {
  connection.run(
    `INSERT INTO snapshots (name, sequence, taken_at, size) VALUES (?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence, taken_at = excluded.taken_at, size = excluded.size`,
    name,
    sequence,
    takenAt,
    size,
  );
}

export function dropSnapshot(connection: Connection, { name }: { name: string }): void {
  connection.run('DELETE FROM snapshots WHERE name = ?', name);
}

/** Throws StoreError where the store holds anything that an import would have to be mixed with. */
export function requireEmpty(connection: Connection, _nothing: object): void {
  const sql = 'SELECT (SELECT count(*) FROM repositories) + (SELECT count(*) FROM blobs) AS found';
  if ((connection.get<{ found: number }>(sql)?.found ?? 0) === 0) return;
  throw new StoreError('io', 'the metadata holds repositories already; rows are only put into an empty store');
}

/** Puts rows in, in one transaction with everything else of its batch. */
export function importRows(connection: Connection, { rows }: { rows: readonly ExportedRow[] }): void {
  for (const row of rows) (importers[row.row] as (connection: Connection, row: ExportedRow) => void)(connection, row);
}

const importers = {
  head: continueAfter,
  repository: importRepository,
  blob: importBlob,
  visible: importVisible,
  manifest: importManifest,
  tag: importTag,
  tombstone: importTombstone,
  rule: importRule,
  trash: importTrashed,
};

type Row<Kind extends ExportedRow['row']> = Extract<ExportedRow, { row: Kind }>;

/** Later changes get later numbers than all that the export knew of; the registry is who it was. */
function continueAfter(connection: Connection, { sequence, identity }: Row<'head'>): void {
  if (identity !== undefined) connection.run('UPDATE identity SET value = ? WHERE one = 1', identity);
  connection.run(`DELETE FROM sqlite_sequence WHERE name = 'changes'`);
  connection.run(`INSERT INTO sqlite_sequence (name, seq) VALUES ('changes', ?)`, sequence);
}

function importRepository(connection: Connection, { name, tagFloor = 0 }: Row<'repository'>): void {
  const id = ensureRepository(connection, name);
  if (tagFloor > 0) connection.run('UPDATE repositories SET tag_floor = ? WHERE id = ?', tagFloor, id);
}

function importBlob(connection: Connection, { digest, size, key, createdAt, damage }: Row<'blob'>): void {
  connection.run(
    'INSERT INTO blobs (digest, size, key, state, damage, leased_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    digest,
    size,
    key,
    damage === undefined ? 'ok' : 'quarantined',
    damage ?? null,
    createdAt,
    createdAt,
  );
}

function importVisible(connection: Connection, { repository, digest }: Row<'visible'>): void {
  const sql = `INSERT OR IGNORE INTO repository_blobs (blob_id, repository) SELECT id, ? FROM blobs WHERE digest = ?`;
  connection.run(sql, repository, digest);
}

function importManifest(connection: Connection, row: Row<'manifest'>): void {
  const repository = ensureRepository(connection, row.repository);
  const { id } = connection.run(
    `INSERT INTO manifests (repository_id, digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by,
       origin, pulled_hour, content_size, config, children) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    repository,
    row.digest,
    row.mediaType,
    row.bytes.byteLength,
    row.subject ?? null,
    row.artifactType ?? null,
    row.annotations === undefined ? null : JSON.stringify(row.annotations),
    row.pushedAt,
    row.pushedBy,
    row.origin ?? null,
    row.pulledHour ?? null,
    ...contentOf(row),
  );
  connection.run('INSERT INTO manifest_bytes (manifest_id, bytes) VALUES (?, ?)', id, row.bytes);
  const edge = 'INSERT OR IGNORE INTO edges (manifest_id, kind, target, repository_id) VALUES (?, ?, ?, ?)';
  for (const { kind, digest } of row.edges) connection.run(edge, id, kind, digest, repository);
}

function importTag(connection: Connection, row: Row<'tag'>): void {
  const repository = ensureRepository(connection, row.repository);
  const { changes } = connection.run(
    `INSERT INTO tags (repository_id, name, manifest_id, version, origin, actor, changed_at)
     SELECT ?, ?, id, ?, ?, ?, ? FROM manifests WHERE repository_id = ? AND digest = ?`,
    repository,
    row.name,
    row.version,
    row.origin ?? null,
    row.actor,
    row.changedAt,
    repository,
    row.digest,
  );
  if (changes === 0)
    throw new StoreError('corrupt', `the tag ${row.repository}:${row.name} came before its manifest ${row.digest}`);
}

function importTombstone(connection: Connection, row: Row<'tombstone'>): void {
  connection.run(
    `INSERT INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at, kind) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ensureRepository(connection, row.repository),
    row.name,
    row.digest,
    row.version,
    row.origin ?? null,
    row.actor,
    row.deletedAt,
    row.kind ?? 'deleted',
  );
}

/** Rows of the trash name repositories, which come before them. */
function importTrashed(connection: Connection, row: Row<'trash'>): void {
  const { repository } = row;
  const [, config, children] = contentOf(row);
  const { id } = connection.run(
    `INSERT INTO trash (repository, digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by, origin,
       pulled_hour, content_size, expired_at, until, policy, config, children) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    repository,
    row.digest,
    row.mediaType,
    row.bytes.byteLength,
    row.subject ?? null,
    row.artifactType ?? null,
    row.annotations === undefined ? null : JSON.stringify(row.annotations),
    row.pushedAt,
    row.pushedBy,
    row.origin ?? null,
    row.pulledHour ?? null,
    row.contentSize,
    row.expiredAt,
    row.until,
    row.policy,
    config,
    children,
  );
  connection.run('INSERT INTO trash_bytes (trash_id, bytes) VALUES (?, ?)', id, row.bytes);
  const edge = 'INSERT OR IGNORE INTO trash_edges (trash_id, kind, target, repository) VALUES (?, ?, ?, ?)';
  for (const { kind, digest } of row.edges) connection.run(edge, id, kind, digest, repository);
  const tag = 'INSERT INTO trash_tags (trash_id, name, repository) VALUES (?, ?, ?)';
  for (const name of row.tags) connection.run(tag, id, name, repository);
}

function importRule(connection: Connection, row: Row<'rule'>): void {
  connection.run(
    'INSERT OR REPLACE INTO rules (kind, name, uid, generation, document, changed_at, changed_by) VALUES (?, ?, ?, ?, ?, ?, ?)',
    row.kind,
    row.name,
    row.uid ?? '',
    row.generation,
    row.document,
    row.changedAt,
    row.changedBy,
  );
}

/**
 * Puts blobs that no manifest refers to into the review queue, where their grace time begins now; looks at `limit` blobs after
 * `last`. Returns the last one looked at, undefined at the end.
 */
export function reviewImported(
  connection: Connection,
  { last, limit }: { last: string; limit: number },
): Digest | undefined {
  const page = connection.all<{ id: number; digest: Digest }>(
    'SELECT id, digest FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?',
    last,
    limit,
  );
  const queue = `INSERT OR IGNORE INTO review_queue (blob_id, since, size)
    SELECT b.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), b.size FROM blobs b WHERE b.id = ? AND ${UNREFERENCED}`;
  for (const { id } of page) connection.run(queue, id);
  return page.at(-1)?.digest;
}
