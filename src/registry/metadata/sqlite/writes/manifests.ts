import type { Digest } from '../../../../domain/oci/digest.ts';
import { giveBack } from '../../../../platform/give-back.ts';
import { contentOf } from '../../raw-image.ts';
import type { Actor, NewEdge, NewManifest, PutManifestResult } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { visible } from './blobs.ts';
import { recordChange } from './changes.ts';
import { ensureRepository, findRepository } from './repositories.ts';
import { leaveReview, reviewIfUnreferenced } from './review.ts';
import { buryTag, firstConflict, setTag } from './tags.ts';
import { forgetTrashed } from './trash.ts';

interface Row {
  id: number;
  mediaType: string;
}

function find(connection: Connection, repository: number, digest: Digest): Row | undefined {
  const sql = 'SELECT id, media_type AS mediaType FROM manifests WHERE repository_id = ? AND digest = ?';
  return connection.get<Row>(sql, repository, digest);
}

export function putManifest(connection: Connection, manifest: NewManifest): PutManifestResult {
  const repository = findRepository(connection, manifest.repository);
  const missing = missingTargets(connection, repository ?? -1, manifest);
  if (missing.length > 0) return { outcome: 'missing', digests: missing };
  const conflict = firstConflict(connection, repository ?? -1, manifest);
  if (conflict !== undefined) return { outcome: 'conflict', ...conflict };

  const id = repository ?? ensureRepository(connection, manifest.repository);
  const known = find(connection, id, manifest.digest);
  const row = known === undefined ? insert(connection, id, manifest) : known.id;
  if (known !== undefined && known.mediaType !== manifest.mediaType)
    retype(connection, { id: row, repository: id }, manifest);
  const { digest, replicated } = manifest;
  for (const name of manifest.tags)
    setTag(
      connection,
      { id, repository: manifest.repository },
      { name, manifest: row, digest, replicated },
      manifest.by,
    );
  return { outcome: 'stored', created: known === undefined };
}

function missingTargets(connection: Connection, repository: number, manifest: NewManifest): Digest[] {
  const missing = new Set<Digest>();
  for (const edge of manifest.edges) {
    if (!edge.required) continue;
    const present = isBlob(edge)
      ? visible(connection, manifest.repository, edge.digest) !== undefined
      : find(connection, repository, edge.digest) !== undefined;
    if (!present) missing.add(edge.digest);
  }
  return [...missing];
}

function isBlob(edge: { kind: NewEdge['kind'] }): boolean {
  return edge.kind === 'config' || edge.kind === 'layer';
}

function insert(connection: Connection, repository: number, manifest: NewManifest): number {
  const { by } = manifest;
  const { id } = connection.run(
    `INSERT INTO manifests (repository_id, digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by, origin,
       content_size, config, children) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    repository,
    manifest.digest,
    manifest.mediaType,
    manifest.bytes.byteLength,
    manifest.subject ?? null,
    manifest.artifactType ?? null,
    manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
    by.now,
    by.name,
    manifest.replicated?.origin ?? by.origin ?? null,
    ...contentOf(manifest),
  );
  insertBytes(connection, id, manifest);
  connect(connection, { id, repository }, manifest.edges);
  forgetTrashed(connection, manifest.repository, manifest.digest, by.now);
  recordPut(connection, manifest);
  return id;
}

/** Bytes; of smaller ones the memory is not worth a statement of its own. */
const LARGE = 64 * 1024;

function insertBytes(connection: Connection, id: number, { bytes, ownsBytes }: NewManifest): void {
  const sql = 'INSERT INTO manifest_bytes (manifest_id, bytes)';
  const free = () => {
    if (ownsBytes === true) giveBack(bytes);
  };
  if (bytes.byteLength > LARGE) connection.runLarge(`${sql} SELECT ?, ? WHERE taken()`, free, id, bytes);
  else connection.run(`${sql} VALUES (?, ?)`, id, bytes);
}

function recordPut(connection: Connection, { repository, digest, by, replicated }: NewManifest): void {
  recordChange(connection, {
    kind: 'manifest-put',
    at: by.now,
    repository,
    digest,
    actor: by.name,
    origin: replicated?.origin ?? by.origin,
  });
}

function connect(connection: Connection, from: { id: number; repository: number }, edges: readonly NewEdge[]): void {
  for (const edge of edges) {
    const sql = 'INSERT OR IGNORE INTO edges (manifest_id, kind, target, repository_id) VALUES (?, ?, ?, ?)';
    connection.run(sql, from.id, edge.kind, edge.digest, from.repository);
    if (isBlob(edge)) leaveReview(connection, edge.digest);
  }
}

/** The same bytes pushed again under another media type: the last push says what they are. */
function retype(connection: Connection, row: { id: number; repository: number }, manifest: NewManifest): void {
  connection.run(
    `UPDATE manifests SET media_type = ?, subject = ?, artifact_type = ?, annotations = ?, content_size = ?, config = ?, children = ?
     WHERE id = ?`,
    manifest.mediaType,
    manifest.subject ?? null,
    manifest.artifactType ?? null,
    manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
    ...contentOf(manifest),
    row.id,
  );
  const before = disconnect(connection, row.id);
  connect(connection, row, manifest.edges);
  for (const digest of before) reviewIfUnreferenced(connection, digest, manifest.by.now);
  recordPut(connection, manifest);
}

/** Removes a manifest's edges; returns the blobs that they led to. */
function disconnect(connection: Connection, id: number): Digest[] {
  const sql = `SELECT target FROM edges WHERE manifest_id = ? AND kind IN ('config', 'layer')`;
  const targets = connection.all<{ target: Digest }>(sql, id).map(({ target }) => target);
  connection.run('DELETE FROM edges WHERE manifest_id = ?', id);
  return targets;
}

export function deleteManifest(
  connection: Connection,
  { repository, digest, by }: { repository: string; digest: Digest; by: Actor },
): boolean {
  const id = findRepository(connection, repository);
  const row = id === undefined ? undefined : find(connection, id, digest);
  if (id === undefined || row === undefined) return false;
  for (const { name } of connection.all<{ name: string }>(
    'SELECT name FROM tags WHERE manifest_id = ? ORDER BY name',
    row.id,
  ))
    buryTag(connection, { id, repository }, { name }, by);
  const blobs = disconnect(connection, row.id);
  connection.run('DELETE FROM manifests WHERE id = ?', row.id);
  for (const blob of blobs) reviewIfUnreferenced(connection, blob, by.now);
  recordChange(connection, {
    kind: 'manifest-deleted',
    at: by.now,
    repository,
    digest,
    actor: by.name,
    origin: by.origin,
  });
  return true;
}

/** Keeps the latest hour in which each manifest was pulled. */
export function notePulls(
  connection: Connection,
  { pulls }: { pulls: readonly { repository: string; digest: Digest; hour: number }[] },
): void {
  for (const { repository, digest, hour } of pulls) {
    const sql = `UPDATE manifests SET pulled_hour = ? WHERE repository_id = (SELECT id FROM repositories WHERE name = ?)
      AND digest = ? AND coalesce(pulled_hour, -1) < ?`;
    connection.run(sql, hour, repository, digest, hour);
  }
}
