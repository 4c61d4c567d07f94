import type { Digest } from '../../../../domain/oci/digest.ts';
import { linesOf } from '../../raw-image.ts';
import { tagsOfReferrers } from '../../referrer-tags.ts';
import type { Expiry, RestoredImage } from '../../retaining.ts';
import type { Actor, Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { CHILDREN, CONFIG, CONTENT_SIZE } from '../reads/images.ts';
import { recordChange } from './changes.ts';
import { ensureRepository } from './repositories.ts';
import { reviewIfUnreferenced } from './review.ts';
import { type Place, setTag } from './tags.ts';

const COMMON =
  'digest, media_type, size, subject, artifact_type, annotations, pushed_at, pushed_by, origin, pulled_hour';

/** Copies a manifest with its bytes, edges and tags into the trash; the caller removes it where it was. */
export function discard(
  connection: Connection,
  { manifest, repository }: { manifest: number; repository: string },
  { by, until, policy }: Pick<Expiry, 'by' | 'until' | 'policy'>,
): void {
  const { id } = connection.run(
    `INSERT INTO trash (repository, ${COMMON}, content_size, config, children, expired_at, until, policy)
     SELECT ?, ${COMMON}, ${CONTENT_SIZE}, ${CONFIG}, ${CHILDREN}, ?, ?, ? FROM manifests m WHERE m.id = ?`,
    repository,
    by.now,
    until,
    policy,
    manifest,
  );
  connection.run(
    'INSERT INTO trash_bytes (trash_id, bytes) SELECT ?, bytes FROM manifest_bytes WHERE manifest_id = ?',
    id,
    manifest,
  );
  connection.run(
    'INSERT INTO trash_edges (trash_id, kind, target, repository) SELECT ?, kind, target, ? FROM edges WHERE manifest_id = ?',
    id,
    repository,
    manifest,
  );
  connection.run(
    'INSERT INTO trash_tags (trash_id, name, repository) SELECT ?, name, ? FROM tags WHERE manifest_id = ?',
    id,
    repository,
    manifest,
  );
}

interface Trashed {
  id: number;
  digest: Digest;
  children: string | null;
}

const FIND = 'SELECT id, digest, children FROM trash WHERE digest = ? AND repository = ?';

export function restoreImages(
  connection: Connection,
  { repository, digests, by }: { repository: string; digests: readonly Digest[]; by: Actor },
): RestoredImage[] {
  const wanted = withFamily(connection, repository, digests);
  if (wanted.length === 0) return [];
  const place = { id: ensureRepository(connection, repository), repository };
  return wanted.map((one) => restoreImage(connection, place, one, by));
}

/** With children and referrers, each after what it was found through; the children come first when it is turned round. */
function withFamily(connection: Connection, repository: string, digests: readonly Digest[]): Trashed[] {
  const found = new Map<Digest, Trashed>();
  const queue = [...digests];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const row = found.has(next) ? undefined : connection.get<Trashed>(FIND, next, repository);
    if (row === undefined) continue;
    found.set(next, row);
    queue.push(...(linesOf(row.children) as readonly Digest[]), ...referrersOf(connection, repository, next));
  }
  return [...found.values()].reverse();
}

function referrersOf(connection: Connection, repository: string, digest: Digest): Digest[] {
  const bySubject = 'SELECT digest FROM trash WHERE repository = ? AND subject = ?';
  const byTag = `SELECT t.digest FROM trash_tags g JOIN trash t ON t.id = g.trash_id WHERE g.repository = ? AND g.name = ?`;
  const rows = [
    ...connection.all<{ digest: Digest }>(bySubject, repository, digest),
    ...tagsOfReferrers(digest).flatMap((tag) => connection.all<{ digest: Digest }>(byTag, repository, tag)),
  ];
  return rows.map((row) => row.digest);
}

function restoreImage(connection: Connection, place: Place, trashed: Trashed, by: Actor): RestoredImage {
  const { id, digest } = trashed;
  const { id: manifest } = connection.run(
    `INSERT INTO manifests (repository_id, ${COMMON}, content_size, config, children)
     SELECT ?, ${COMMON}, content_size, config, children FROM trash WHERE id = ?`,
    place.id,
    id,
  );
  connection.run(
    'INSERT INTO manifest_bytes (manifest_id, bytes) SELECT ?, bytes FROM trash_bytes WHERE trash_id = ?',
    manifest,
    id,
  );
  connection.run(
    'INSERT INTO edges (manifest_id, kind, target, repository_id) SELECT ?, kind, target, ? FROM trash_edges WHERE trash_id = ?',
    manifest,
    place.id,
    id,
  );
  const { repository } = place;
  recordChange(connection, { kind: 'manifest-put', at: by.now, repository, digest, actor: by.name, origin: by.origin });
  const { free, taken } = tagsOf(connection, place.id, trashed);
  for (const name of free) setTag(connection, place, { name, manifest, digest }, by);
  connection.run('DELETE FROM trash WHERE id = ?', id);
  return { digest, tags: free, tagsTaken: taken };
}

/** A tag is free where the last that happened to it, as far as is still known, is that it expired with this image. */
function tagsOf(
  connection: Connection,
  repository: number,
  { id, digest }: Trashed,
): { free: string[]; taken: string[] } {
  const sql = `SELECT g.name, NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = ?1 AND t.name = g.name)
      AND NOT EXISTS (SELECT 1 FROM tag_tombstones d
        WHERE d.repository_id = ?1 AND d.name = g.name AND NOT (d.kind = 'expired' AND d.digest = ?2)) AS free
    FROM trash_tags g WHERE g.trash_id = ?3 ORDER BY g.name`;
  const rows = connection.all<{ name: string; free: number }>(sql, repository, digest, id);
  const named = (free: number) => rows.filter((row) => row.free === free).map(({ name }) => name);
  return { free: named(1), taken: named(0) };
}

/** Ends the stay of images; blobs that nothing else refers to begin their grace time. */
function remove(connection: Connection, ids: readonly number[], now: Millis): void {
  const blobs = new Set<Digest>();
  const sql = `SELECT target FROM trash_edges WHERE trash_id = ? AND kind IN ('config', 'layer')`;
  for (const id of ids) {
    for (const { target } of connection.all<{ target: Digest }>(sql, id)) blobs.add(target);
    connection.run('DELETE FROM trash WHERE id = ?', id);
  }
  for (const blob of blobs) reviewIfUnreferenced(connection, blob, now);
}

export function emptyTrash(connection: Connection, { now, limit }: { now: Millis; limit: number }): number {
  const due = connection.all<{ id: number }>(
    'SELECT id FROM trash WHERE until <= ? ORDER BY until LIMIT ?',
    now,
    limit,
  );
  remove(
    connection,
    due.map(({ id }) => id),
    now,
  );
  return due.length;
}

/** An image that is pushed again is a new one: what the trash holds of it is not needed any more. */
export function forgetTrashed(connection: Connection, repository: string, digest: Digest, now: Millis): void {
  const row = connection.get<Trashed>(FIND, digest, repository);
  if (row !== undefined) remove(connection, [row.id], now);
}
