import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow } from '../recovery.ts';
import type { EdgeKind } from '../store.ts';
import { type Connection, openForReading } from './connection.ts';
import { storeError } from './faults.ts';
import { CONTENT_SIZE } from './reads/images.ts';
import { lastSequence } from './reads/recovery.ts';
import { identity } from './reads/rules.ts';

/** Rows between two turns of the event loop: a millisecond or two, so that requests are served in between. */
const ROWS_A_TURN = 50;

type Raw = Record<string, string | number | Uint8Array | null>;

/**
 * Everything that must survive, as of the moment of the first row: one read transaction on a connection of its own, closed
 * when the reader has finished or given up. Rows come in the order of names and digests, so that equal stores export equally.
 * Throws StoreError.
 */
export async function* exportRows(path: string): AsyncGenerator<ExportedRow> {
  const connection = openForReading(path);
  try {
    connection.db.exec('BEGIN');
    let rows = 0;
    for (const row of allRows(connection)) {
      yield row;
      rows += 1;
      if (rows % ROWS_A_TURN === 0) await turn();
    }
  } catch (error) {
    throw storeError(error);
  } finally {
    connection.close();
  }
}

function* allRows(connection: Connection): Generator<ExportedRow> {
  yield head(connection);
  yield* rowsOf(connection, repositories, (raw) => ({ row: 'repository', ...raw }));
  yield* rowsOf(connection, blobs, (raw) => ({ row: 'blob', ...raw }));
  yield* rowsOf(connection, visible, (raw) => ({ row: 'visible', ...raw }));
  yield* rowsOf(connection, manifests, (raw) => manifest(connection, raw));
  yield* rowsOf(connection, tags, (raw) => ({ row: 'tag', ...raw }));
  yield* rowsOf(connection, tombstones, (raw) => ({ row: 'tombstone', ...raw }));
  yield* rowsOf(connection, rules, (raw) => ({ row: 'rule', ...raw }));
  yield* rowsOf(connection, trash, (raw) => trashed(connection, raw));
}

/** The first read of the transaction: what it sees is what all others see. */
function head(connection: Connection): ExportedRow {
  const sequence = lastSequence(connection);
  const now = connection.get<{ now: number }>(`SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now`);
  return { row: 'head', sequence, takenAt: now?.now ?? 0, identity: identity(connection) };
}

const repositories = 'SELECT name, nullif(tag_floor, 0) AS tagFloor FROM repositories ORDER BY name';
const blobs = `SELECT digest, size, key, created_at AS createdAt, CASE state WHEN 'ok' THEN NULL ELSE coalesce(damage, '') END AS damage
  FROM blobs ORDER BY digest`;
const visible = `SELECT v.repository, b.digest FROM blobs b CROSS JOIN repository_blobs v ON v.blob_id = b.id
  ORDER BY b.digest, v.repository`;
const manifests = `SELECT m.id, r.name AS repository, m.digest, m.media_type AS mediaType, b.bytes, m.subject,
    m.artifact_type AS artifactType, m.annotations, m.pushed_at AS pushedAt, m.pushed_by AS pushedBy, m.origin,
    m.pulled_hour AS pulledHour, ${CONTENT_SIZE} AS contentSize
  FROM repositories r CROSS JOIN manifests m ON m.repository_id = r.id JOIN manifest_bytes b ON b.manifest_id = m.id
  ORDER BY r.name, m.digest`;
const edges = 'SELECT kind, target AS digest FROM edges WHERE manifest_id = ? ORDER BY kind, target';
const tags = `SELECT r.name AS repository, t.name, m.digest, t.version, t.actor, t.changed_at AS changedAt, t.origin
  FROM repositories r CROSS JOIN tags t ON t.repository_id = r.id JOIN manifests m ON m.id = t.manifest_id
  ORDER BY r.name, t.name`;
const tombstones = `SELECT r.name AS repository, t.name, t.digest, t.version, t.actor, t.deleted_at AS deletedAt, t.origin, nullif(t.kind, 'deleted') AS kind
  FROM repositories r CROSS JOIN tag_tombstones t ON t.repository_id = r.id ORDER BY r.name, t.name`;
const rules = `SELECT kind, name, nullif(uid, '') AS uid, generation, document, changed_at AS changedAt, changed_by AS changedBy
  FROM rules ORDER BY kind, name`;

const trash = `SELECT t.id, t.repository, t.digest, t.media_type AS mediaType, b.bytes, t.subject, t.artifact_type AS artifactType,
    t.annotations, t.pushed_at AS pushedAt, t.pushed_by AS pushedBy, t.origin, t.pulled_hour AS pulledHour,
    t.content_size AS contentSize, t.expired_at AS expiredAt, t.until, t.policy
  FROM trash t JOIN trash_bytes b ON b.trash_id = t.id ORDER BY t.expired_at, t.repository, t.digest`;
const trashEdges = 'SELECT kind, target AS digest FROM trash_edges WHERE trash_id = ? ORDER BY kind, target';
const trashTags = 'SELECT name FROM trash_tags WHERE trash_id = ? ORDER BY name';

function manifest(connection: Connection, raw: Raw): object {
  const from = connection.all<{ kind: EdgeKind; digest: Digest }>(edges, raw.id as number);
  return { row: 'manifest', ...content(raw), edges: from.map((edge) => ({ ...edge })) };
}

function trashed(connection: Connection, raw: Raw): object {
  const from = connection.all<{ kind: EdgeKind; digest: Digest }>(trashEdges, raw.id as number);
  const tagged = connection.all<{ name: string }>(trashTags, raw.id as number);
  const lists = { edges: from.map((edge) => ({ ...edge })), tags: tagged.map(({ name }) => name) };
  return { row: 'trash', ...content(raw), ...lists };
}

function content({ id: _, annotations, ...raw }: Raw): object {
  return { ...raw, ...(typeof annotations === 'string' && { annotations: JSON.parse(annotations) as object }) };
}

/** A column that holds nothing is left out of its row. */
function* rowsOf(connection: Connection, sql: string, shape: (raw: Raw) => object): Generator<ExportedRow> {
  for (const raw of connection.db.prepare(sql).iterate()) {
    const filled = Object.entries(raw).filter(([, value]) => value !== null);
    yield shape(Object.fromEntries(filled) as Raw) as ExportedRow;
  }
}
