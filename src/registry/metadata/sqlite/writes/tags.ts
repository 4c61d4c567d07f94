import type { Digest } from '../../../../domain/oci/digest.ts';
import type { Replicated } from '../../replicating.ts';
import type { Actor, NewManifest } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { recordChange } from './changes.ts';
import { findRepository } from './repositories.ts';
import { isNews, lastVersion, originColumn } from './tag-history.ts';

interface TagRow {
  manifest: number;
  digest: Digest;
  version: number;
  origin: string | null;
}

export interface Place {
  readonly id: number;
  readonly repository: string;
}

function find(connection: Connection, repository: number, name: string): TagRow | undefined {
  const sql = `SELECT t.manifest_id AS manifest, t.version, t.origin, m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id
    WHERE t.repository_id = ? AND t.name = ?`;
  return connection.get<TagRow>(sql, repository, name);
}

export interface Conflict {
  readonly tag: string;
  readonly current?: Digest;
}

/** The first tag for which a condition of the push does not hold, decided inside the transaction that would move it. */
export function firstConflict(connection: Connection, repository: number, manifest: NewManifest): Conflict | undefined {
  const { conditions, replicated, digest } = manifest;
  if (conditions === undefined && replicated === undefined) return undefined;
  for (const tag of manifest.tags) {
    const current = find(connection, repository, tag)?.digest;
    const allowed = conditions === undefined || holds(conditions, current, digest);
    const timely =
      replicated === undefined ||
      current === digest ||
      isNews(connection, { repository, tag }, { ...replicated, digest });
    if (allowed && timely) continue;
    return current === undefined ? { tag } : { tag, current };
  }
  return undefined;
}

function holds(
  conditions: NonNullable<NewManifest['conditions']>,
  current: Digest | undefined,
  wanted: Digest,
): boolean {
  if (conditions.ifNoneMatch === true && current !== undefined) return false;
  if (conditions.ifMatch !== undefined && current !== conditions.ifMatch) return false;
  return !(conditions.createOnly === true && current !== undefined && current !== wanted);
}

export interface NewTag {
  readonly name: string;
  readonly manifest: number;
  readonly digest: Digest;
  /** The change was made on another registry, and is known to be news here. */
  readonly replicated?: Replicated | undefined;
}

/** Points a tag at a manifest. One that points there already is left alone: no new version, no `tag-set`. */
export function setTag(connection: Connection, place: Place, tag: NewTag, by: Actor): void {
  const current = find(connection, place.id, tag.name);
  if (current?.manifest === tag.manifest) {
    adoptVersion(connection, place, tag, by);
    return;
  }
  const { name, digest, replicated } = tag;
  const last = current?.version ?? lastVersion(connection, { repository: place.id, tag: name });
  const version = replicated?.version ?? last + 1;
  const tagOrigin = replicated === undefined ? null : originColumn(connection, replicated);
  connection.run(
    `INSERT INTO tags (repository_id, name, manifest_id, version, origin, actor, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, version = excluded.version,
       origin = excluded.origin, actor = excluded.actor, changed_at = excluded.changed_at`,
    place.id,
    name,
    tag.manifest,
    version,
    tagOrigin,
    by.name,
    by.now,
  );
  if (current === undefined)
    connection.run('DELETE FROM tag_tombstones WHERE repository_id = ? AND name = ?', place.id, name);
  const { repository } = place;
  const { now: at, name: actor } = by;
  const origin = replicated?.origin ?? by.origin;
  recordChange(connection, { kind: 'tag-set', at, repository, tag: name, digest, actor, origin, version, tagOrigin });
}

/** Takes the larger of two versions over where both registries came to the same digest: the next change counts from there. */
function adoptVersion(connection: Connection, place: Place, { name, digest, replicated }: NewTag, by: Actor): void {
  if (replicated === undefined) return;
  if (!isNews(connection, { repository: place.id, tag: name }, { ...replicated, digest })) return;
  const { version, origin } = replicated;
  const tagOrigin = originColumn(connection, replicated);
  const sql = 'UPDATE tags SET version = ?, origin = ? WHERE repository_id = ? AND name = ?';
  connection.run(sql, version, tagOrigin, place.id, name);
  const { repository } = place;
  const { now: at, name: actor } = by;
  recordChange(connection, { kind: 'tag-version', at, repository, tag: name, actor, origin, version, tagOrigin });
}

export interface Burial {
  readonly name: string;
  /** Retention did it, which is no change for other registries: the tombstone keeps the tag's version. */
  readonly expired?: boolean;
  /** The deletion was made on another registry, and is known to be news here. */
  readonly replicated?: Replicated;
}

/** Removes a tag, leaving a tombstone that keeps its version. False where there is none. */
export function buryTag(connection: Connection, place: Place, burial: Burial, by: Actor): boolean {
  const { name, expired = false, replicated } = burial;
  const current = find(connection, place.id, name);
  if (current === undefined) return false;
  const { digest } = current;
  const version = replicated?.version ?? current.version + (expired ? 0 : 1);
  const local = expired ? current.origin : null;
  const tagOrigin = replicated === undefined ? local : originColumn(connection, replicated);
  const kind = expired ? 'expired' : 'deleted';
  connection.run('DELETE FROM tags WHERE repository_id = ? AND name = ?', place.id, name);
  connection.run(
    `INSERT OR REPLACE INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at, kind)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    place.id,
    name,
    digest,
    version,
    tagOrigin,
    by.name,
    by.now,
    kind,
  );
  recordChange(connection, {
    kind: 'tag-deleted',
    at: by.now,
    repository: place.repository,
    tag: name,
    digest,
    actor: by.name,
    origin: replicated?.origin ?? by.origin,
    version,
    tagOrigin,
    tombstone: kind,
  });
  return true;
}

export function deleteTag(
  connection: Connection,
  { repository, tag, by }: { repository: string; tag: string; by: Actor },
): boolean {
  const id = findRepository(connection, repository);
  return id !== undefined && buryTag(connection, { id, repository }, { name: tag }, by);
}
