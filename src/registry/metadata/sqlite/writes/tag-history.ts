import type { Digest } from '../../../../domain/oci/digest.ts';
import { isNewer, type Stand } from '../../../../domain/replication/version.ts';
import type { Replicated } from '../../replicating.ts';
import type { Connection } from '../connection.ts';
import { identity } from '../reads/rules.ts';

export interface Name {
  /** Row id of the repository. */
  readonly repository: number;
  readonly tag: string;
}

interface RawStand {
  version: number;
  origin: string | null;
  digest: Digest | null;
}

export interface Tombstone {
  readonly digest: Digest;
  readonly version: number;
}

export function tombstone(connection: Connection, { repository, tag }: Name): Tombstone | undefined {
  const sql = 'SELECT digest, version FROM tag_tombstones WHERE repository_id = ? AND name = ?';
  return connection.get<Tombstone>(sql, repository, tag);
}

/** The version that a name had last; its next one is larger. */
export function lastVersion(connection: Connection, name: Name): number {
  const buried = tombstone(connection, name)?.version;
  if (buried !== undefined) return buried;
  const sql = 'SELECT tag_floor AS version FROM repositories WHERE id = ?';
  return connection.get<{ version: number }>(sql, name.repository)?.version ?? 0;
}

/** What is written of an origin: nothing where it is this registry's own. */
export function originColumn(connection: Connection, { origin }: Replicated): string | null {
  return origin === identity(connection) ? null : origin;
}

/** Whether a change of another registry is newer than what the name is here. @param digest undefined for a deletion */
export function isNews(connection: Connection, name: Name, change: Stand): boolean {
  const stand = standOf(connection, name);
  return stand === undefined || isNewer(change, stand);
}

/** Undefined where nothing is known of the name. */
function standOf(connection: Connection, { repository, tag }: Name): Stand | undefined {
  const live = `SELECT t.version, t.origin, m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id
    WHERE t.repository_id = ? AND t.name = ?`;
  const buried = `SELECT version, origin, CASE kind WHEN 'expired' THEN digest END AS digest FROM tag_tombstones
    WHERE repository_id = ? AND name = ?`;
  const raw = connection.get<RawStand>(live, repository, tag) ?? connection.get<RawStand>(buried, repository, tag);
  if (raw === undefined) return undefined;
  const { version, origin, digest } = raw;
  return { version, origin: origin ?? identity(connection), digest: digest ?? undefined };
}
