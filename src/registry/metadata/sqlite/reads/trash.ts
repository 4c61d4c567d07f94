import type { Digest } from '../../../../domain/oci/digest.ts';
import { linesOf } from '../../raw-image.ts';
import type { TrashNames, TrashPosition, TrashRow } from '../../retaining.ts';
import type { EdgeKind, Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';

interface Raw {
  id: number;
  repository: string;
  digest: Digest;
  mediaType: string;
  contentSize: number;
  expiredAt: Millis;
  until: Millis;
  policy: string;
  tags: string | null;
}

const TRASH = `SELECT t.id, t.repository, t.digest, t.media_type AS mediaType, t.content_size AS contentSize, t.expired_at AS expiredAt,
  t.until, t.policy, (SELECT group_concat(name, char(10)) FROM trash_tags WHERE trash_id = t.id) AS tags FROM trash t`;
const ALL = `${TRASH} WHERE (t.expired_at, t.repository, t.digest) > (?, ?, ?) ORDER BY t.expired_at, t.repository, t.digest LIMIT ?`;
const OF_ONE = `${TRASH} WHERE t.repository = ? AND (t.expired_at, t.digest) > (?, ?) ORDER BY t.expired_at, t.digest LIMIT ?`;

export function trash(
  connection: Connection,
  { repository, last, limit }: { repository?: string; last?: TrashPosition; limit: number },
): TrashRow[] {
  const { expiredAt, repository: after, digest } = last ?? { expiredAt: -1, repository: '', digest: '' };
  const rows =
    repository === undefined
      ? connection.all<Raw>(ALL, expiredAt, after, digest, limit)
      : connection.all<Raw>(OF_ONE, repository, expiredAt, digest, limit);
  return rows.map((raw) => rowOf(connection, raw));
}

const BY_DIGEST = 'SELECT id FROM trash WHERE digest = ?';
const BY_CONFIG = `SELECT trash_id AS id FROM trash_edges WHERE target = ? AND kind = 'config'`;
const BY_TAG = 'SELECT trash_id AS id FROM trash_tags WHERE repository = ? AND name = ?';

export function inTrash(connection: Connection, { digests = [], tags = [] }: TrashNames): TrashRow[] {
  const ids = (sql: string, ...names: string[]) => connection.all<{ id: number }>(sql, ...names).map(({ id }) => id);
  const found = new Set([
    ...digests.flatMap((digest) => [...ids(BY_DIGEST, digest), ...ids(BY_CONFIG, digest)]),
    ...tags.flatMap(({ repository, tag }) => ids(BY_TAG, repository, tag)),
  ]);
  const rows = [...found].flatMap((id) => connection.all<Raw>(`${TRASH} WHERE t.id = ?`, id));
  return rows.map((raw) => rowOf(connection, raw)).sort(byTime);
}

function byTime(one: TrashRow, other: TrashRow): number {
  if (one.expiredAt !== other.expiredAt) return one.expiredAt - other.expiredAt;
  return `${one.repository} ${one.digest}` < `${other.repository} ${other.digest}` ? -1 : 1;
}

const EDGES = 'SELECT kind, target AS digest FROM trash_edges WHERE trash_id = ? ORDER BY kind, target';

function rowOf(connection: Connection, { id, tags, ...raw }: Raw): TrashRow {
  const edges = connection.all<{ kind: EdgeKind; digest: Digest }>(EDGES, id).map((edge) => ({ ...edge }));
  return { ...raw, tags: linesOf(tags), edges };
}
