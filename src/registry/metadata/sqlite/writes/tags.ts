import type { Digest } from '../../../../domain/oci/digest.ts';
import type { Actor, NewManifest } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { recordChange } from './changes.ts';
import { findRepository } from './repositories.ts';

interface TagRow {
  manifest: number;
  digest: Digest;
  version: number;
}

export interface Place {
  readonly id: number;
  readonly repository: string;
}

function find(connection: Connection, repository: number, name: string): TagRow | undefined {
  const sql = `SELECT t.manifest_id AS manifest, t.version, m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id
    WHERE t.repository_id = ? AND t.name = ?`;
  return connection.get<TagRow>(sql, repository, name);
}

export interface Conflict {
  readonly tag: string;
  readonly current?: Digest;
}

/** The first tag for which a condition of the push does not hold, decided inside the transaction that would move it. */
export function firstConflict(connection: Connection, repository: number, manifest: NewManifest): Conflict | undefined {
  const conditions = manifest.conditions;
  if (conditions === undefined) return undefined;
  for (const tag of manifest.tags) {
    const current = find(connection, repository, tag)?.digest;
    if (holds(conditions, current, manifest.digest)) continue;
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

/** Points a tag at a manifest. One that points there already is left alone: no new version, no change row. */
export function setTag(
  connection: Connection,
  place: Place,
  tag: { name: string; manifest: number; digest: Digest },
  by: Actor,
): void {
  const current = find(connection, place.id, tag.name);
  if (current?.manifest === tag.manifest) return;
  connection.run(
    `INSERT INTO tags (repository_id, name, manifest_id, version, origin, actor, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, version = excluded.version,
       origin = excluded.origin, actor = excluded.actor, changed_at = excluded.changed_at`,
    place.id,
    tag.name,
    tag.manifest,
    (current?.version ?? buriedVersion(connection, place.id, tag.name)) + 1,
    by.origin ?? null,
    by.name,
    by.now,
  );
  if (current === undefined)
    connection.run('DELETE FROM tag_tombstones WHERE repository_id = ? AND name = ?', place.id, tag.name);
  const { repository } = place;
  recordChange(connection, {
    kind: 'tag-set',
    at: by.now,
    repository,
    tag: tag.name,
    digest: tag.digest,
    actor: by.name,
    origin: by.origin,
  });
}

function buriedVersion(connection: Connection, repository: number, name: string): number {
  const sql = 'SELECT version FROM tag_tombstones WHERE repository_id = ? AND name = ?';
  return connection.get<{ version: number }>(sql, repository, name)?.version ?? 0;
}

/** Removes a tag, leaving a tombstone that keeps its version. False where there is none. */
export function buryTag(connection: Connection, place: Place, name: string, by: Actor): boolean {
  const current = find(connection, place.id, name);
  if (current === undefined) return false;
  connection.run('DELETE FROM tags WHERE repository_id = ? AND name = ?', place.id, name);
  connection.run(
    `INSERT OR REPLACE INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    place.id,
    name,
    current.digest,
    current.version + 1,
    by.origin ?? null,
    by.name,
    by.now,
  );
  const { repository } = place;
  const { digest } = current;
  recordChange(connection, {
    kind: 'tag-deleted',
    at: by.now,
    repository,
    tag: name,
    digest,
    actor: by.name,
    origin: by.origin,
  });
  return true;
}

export function deleteTag(
  connection: Connection,
  { repository, tag, by }: { repository: string; tag: string; by: Actor },
): boolean {
  const id = findRepository(connection, repository);
  return id !== undefined && buryTag(connection, { id, repository }, tag, by);
}
