import type { Digest } from '../../../../domain/oci/digest.ts';
import { linesOf } from '../../raw-image.ts';
import { subjectsByTag } from '../../referrer-tags.ts';
import type { Expiry, ExpiryResult } from '../../retaining.ts';
import type { Connection } from '../connection.ts';
import { CHILDREN } from '../reads/images.ts';
import { inUseRevision } from '../reads/inventories.ts';
import { recordChange } from './changes.ts';
import { findRepository } from './repositories.ts';
import { buryTag, type Place } from './tags.ts';
import { discard } from './trash.ts';

/** An image of the batch that is as it was seen. */
interface Going {
  readonly id: number;
  readonly digest: Digest;
  readonly children: readonly Digest[];
  readonly subjects: readonly Digest[];
  /** Rows of manifests that name it as their child. */
  readonly parents: readonly number[];
}

export function expireImages(connection: Connection, batch: Expiry): ExpiryResult {
  if (inUseRevision(connection) !== batch.inUseRevision) return { outcome: 'in-use-changed' };
  const { repository } = batch;
  const id = findRepository(connection, repository) ?? -1;
  const going = staying(batch, (image) => asSeen(connection, { id, most: batch.images.length }, image));
  for (const image of going.values()) discardImage(connection, { id, repository }, image, batch);
  const digests = [...new Set(batch.images.map(({ digest }) => digest))];
  return {
    outcome: 'done',
    expired: digests.filter((digest) => going.has(digest)),
    changed: digests.filter((digest) => !going.has(digest)),
  };
}

interface Found {
  id: number;
  pulledHour: number | null;
  subject: Digest | null;
  children: string | null;
}

/** Undefined where it is gone, `moved` where it is not as it was seen. */
function asSeen(
  connection: Connection,
  { id, most }: { id: number; most: number },
  { digest, tags, pulledHour = -1 }: Expiry['images'][number],
): Going | 'moved' | undefined {
  const sql = `SELECT m.id, m.pulled_hour AS pulledHour, m.subject, ${CHILDREN} AS children FROM manifests m
    WHERE m.repository_id = ? AND m.digest = ?`;
  const row = connection.get<Found>(sql, id, digest);
  if (row === undefined) return undefined;
  if ((row.pulledHour ?? -1) > pulledHour || !hasTags(connection, row.id, tags)) return 'moved';
  // One more than the batch holds is enough to know that one of them does not go.
  const parents = connection.all<{ id: number }>(
    `SELECT manifest_id AS id FROM edges WHERE target = ? AND repository_id = ? AND kind = 'child' LIMIT ?`,
    digest,
    id,
    most + 1,
  );
  return {
    id: row.id,
    digest,
    children: linesOf(row.children) as readonly Digest[],
    subjects: [...subjectsByTag(tags), ...(row.subject === null ? [] : [row.subject])],
    parents: parents.map((parent) => parent.id),
  };
}

function hasTags(connection: Connection, manifest: number, seen: readonly string[]): boolean {
  const sql = 'SELECT name FROM tags WHERE manifest_id = ? ORDER BY name';
  const names = connection.all<{ name: string }>(sql, manifest).map(({ name }) => name);
  const wanted = new Set(seen);
  return names.length === wanted.size && names.every((name) => wanted.has(name));
}

/** Those that go, after everything that has to stay has taken along what belongs to it. */
function staying(
  { images }: Expiry,
  look: (image: Expiry['images'][number]) => Going | 'moved' | undefined,
): ReadonlyMap<Digest, Going> {
  const batch: Batch = { going: new Map(), ids: new Set(), wanted: new Set() };
  for (const image of images) {
    const found = look(image);
    if (found === 'moved') batch.wanted.add(image.digest);
    else if (found !== undefined) batch.going.set(image.digest, found);
  }
  for (const { id } of batch.going.values()) batch.ids.add(id);
  const stays = new Set(batch.wanted);
  for (let before = -1; batch.going.size !== before; ) {
    before = batch.going.size;
    for (const image of batch.going.values()) keepIfHeld(batch, stays, image);
  }
  return batch.going;
}

interface Batch {
  readonly going: Map<Digest, Going>;
  /** Rows of those that go. */
  readonly ids: Set<number>;
  /** Somebody wants these, and so the index that holds them. */
  readonly wanted: Set<Digest>;
}

function keepIfHeld({ going, ids, wanted }: Batch, stays: Set<Digest>, image: Going): void {
  const { id, digest, children, subjects, parents } = image;
  const isWanted = children.some((child) => wanted.has(child));
  const isHeld = parents.some((parent) => !ids.has(parent)) || subjects.some((subject) => stays.has(subject));
  if (!isWanted && !isHeld) return;
  if (isWanted) wanted.add(digest);
  stays.add(digest);
  going.delete(digest);
  ids.delete(id);
}

function discardImage(connection: Connection, place: Place, { id, digest }: Going, batch: Expiry): void {
  const { by } = batch;
  const { repository } = place;
  discard(connection, { manifest: id, repository }, batch);
  const sql = 'SELECT name FROM tags WHERE manifest_id = ? ORDER BY name';
  for (const { name } of connection.all<{ name: string }>(sql, id))
    buryTag(connection, place, { name, expired: true }, by);
  connection.run('DELETE FROM manifests WHERE id = ?', id);
  recordChange(connection, {
    kind: 'manifest-deleted',
    at: by.now,
    repository,
    digest,
    actor: by.name,
    origin: by.origin,
  });
}
