import type { Digest } from '../../../../domain/oci/digest.ts';
import type { ReplicatedDeletion, ReplicatedDeletionResult } from '../../replicating.ts';
import type { Connection } from '../connection.ts';
import { type Change, recordChange } from './changes.ts';
import { ensureRepository } from './repositories.ts';
import { isNews, originColumn, tombstone } from './tag-history.ts';
import { buryTag, type Place } from './tags.ts';

/** Deletes a tag because another registry did; where there is none, its tombstone takes the version over. */
export function deleteReplicatedTag(connection: Connection, deletion: ReplicatedDeletion): ReplicatedDeletionResult {
  const { repository, tag, digest, replicated, by } = deletion;
  const known = connection.get<{ id: number }>('SELECT id FROM repositories WHERE name = ?', repository)?.id;
  if (known === undefined && digest === undefined) return 'unknown';
  const place = { id: known ?? ensureRepository(connection, repository), repository };
  const name = { repository: place.id, tag };
  const buried = tombstone(connection, name);
  if (!isNews(connection, name, replicated)) return buried === undefined ? 'conflict' : 'unchanged';
  if (buryTag(connection, place, { name: tag, replicated }, by)) return 'deleted';
  const last = buried?.digest ?? digest;
  if (last === undefined) return 'unknown';
  note(connection, place, deletion, last);
  // Who follows the feed hears of a deletion that was news to this registry; of a mere version only the journal does.
  const at = { at: by.now, repository, tag, actor: by.name, origin: replicated.origin, tombstone: 'deleted' } as const;
  const stand = { version: replicated.version, tagOrigin: originColumn(connection, replicated) };
  const change: Pick<Change, 'kind' | 'digest'> =
    buried === undefined ? { kind: 'tag-deleted', digest: last } : { kind: 'tag-version' };
  recordChange(connection, { ...at, ...stand, ...change });
  return 'noted';
}

function note(
  connection: Connection,
  { id }: Place,
  { tag, replicated, by }: ReplicatedDeletion,
  digest: Digest,
): void {
  connection.run(
    `INSERT INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at, kind)
     VALUES (?, ?, ?, ?, ?, ?, ?, 'deleted')
     ON CONFLICT (repository_id, name) DO UPDATE SET version = excluded.version, origin = excluded.origin,
       actor = excluded.actor, deleted_at = excluded.deleted_at, kind = excluded.kind`,
    id,
    tag,
    digest,
    replicated.version,
    originColumn(connection, replicated),
    by.name,
    by.now,
  );
}
