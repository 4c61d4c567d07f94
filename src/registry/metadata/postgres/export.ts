import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow } from '../recovery.ts';
import type { EdgeKind } from '../store.ts';
import type { Database } from './database.ts';
import { CONTENT_SIZE } from './image-columns.ts';
import { QueryFailure, type Session } from './session.ts';

/** Rows that a cursor brings at once, and bytes of manifests that are asked for at once. */
const ROWS = 1000;
const MOST_BYTES = 1024 * 1024;

/**
 * Everything that must survive, as of the moment of the first row: one transaction that sees one snapshot, on a connection of its
 * own, while others write. Rows come in the order of names and digests, so that equal stores export equally. Throws StoreError.
 */
export async function* exportRows(database: Database): AsyncGenerator<ExportedRow> {
  const session = await database.borrow();
  let done = false;
  try {
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // The reader may be slow: it writes to a second place.
    await session.query(`SET LOCAL idle_in_transaction_session_timeout = '15min'`);
    yield* allRows(session);
    await session.query('COMMIT');
    done = true;
  } catch (error) {
    throw error instanceof QueryFailure ? error.failure.error : error;
  } finally {
    // Also where the reader gave up: the transaction is open still.
    if (!done) session.destroy();
    database.giveBack(session);
  }
}

async function* allRows(session: Session): AsyncGenerator<ExportedRow> {
  // The first query takes the snapshot that all others see.
  const head = `SELECT 'head' AS row, sequence, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "takenAt",
    (SELECT value FROM identity WHERE one = 1) AS identity FROM feed WHERE one = 1`;
  yield* (await session.query<ExportedRow>(head)).map(filled);
  yield* rowsOf(
    session,
    'repository',
    'SELECT name, nullif(tag_floor, 0) AS "tagFloor" FROM repositories ORDER BY name',
  );
  yield* rowsOf(session, 'blob', blobs);
  yield* rowsOf(session, 'visible', visible);
  yield* withBytes(session, rowsOf(session, 'manifest', manifests));
  yield* rowsOf(session, 'tag', tags);
  yield* rowsOf(session, 'tombstone', tombstones);
  yield* rowsOf(session, 'rule', rules);
  yield* withBytes(session, rowsOf(session, 'trash', trash), 'trash');
}

const blobs = `SELECT digest, size, key, created_at AS "createdAt", CASE state WHEN 'ok' THEN NULL ELSE coalesce(damage, '') END AS damage
  FROM blobs ORDER BY digest`;
const visible = `SELECT v.repository, b.digest FROM blobs b JOIN repository_blobs v ON v.blob_id = b.id ORDER BY b.digest, v.repository`;
const manifests = `SELECT m.id, m.size, r.name AS repository, m.digest, m.media_type AS "mediaType",
    (SELECT coalesce(json_agg(json_build_object('kind', e.kind, 'digest', e.target) ORDER BY e.kind, e.target), '[]')
     FROM edges e WHERE e.manifest_id = m.id) AS edges,
    m.subject, m.artifact_type AS "artifactType", m.annotations, m.pushed_at AS "pushedAt", m.pushed_by AS "pushedBy", m.origin,
    m.pulled_hour AS "pulledHour", ${CONTENT_SIZE} AS "contentSize"
  FROM repositories r JOIN manifests m ON m.repository_id = r.id ORDER BY r.name, m.digest`;
const tags = `SELECT r.name AS repository, t.name, m.digest, t.version, t.actor, t.changed_at AS "changedAt", t.origin
  FROM repositories r JOIN tags t ON t.repository_id = r.id JOIN manifests m ON m.id = t.manifest_id ORDER BY r.name, t.name`;
const tombstones = `SELECT r.name AS repository, t.name, t.digest, t.version, t.actor, t.deleted_at AS "deletedAt", t.origin, nullif(t.kind, 'deleted') AS kind
  FROM repositories r JOIN tag_tombstones t ON t.repository_id = r.id ORDER BY r.name, t.name`;
const rules = `SELECT kind, name, nullif(uid, '') AS uid, generation, document, changed_at AS "changedAt", changed_by AS "changedBy"
  FROM rules ORDER BY kind, name`;

const trash = `SELECT t.id, t.size, t.repository, t.digest, t.media_type AS "mediaType",
    (SELECT coalesce(json_agg(json_build_object('kind', e.kind, 'digest', e.target) ORDER BY e.kind, e.target), '[]')
     FROM trash_edges e WHERE e.trash_id = t.id) AS edges,
    (SELECT coalesce(json_agg(g.name ORDER BY g.name), '[]') FROM trash_tags g WHERE g.trash_id = t.id) AS tags,
    t.subject, t.artifact_type AS "artifactType", t.annotations, t.pushed_at AS "pushedAt", t.pushed_by AS "pushedBy", t.origin,
    t.pulled_hour AS "pulledHour", t.content_size AS "contentSize", t.expired_at AS "expiredAt", t.until, t.policy
  FROM trash t ORDER BY t.expired_at, t.repository, t.digest`;

type Raw = Record<string, unknown> & { edges?: { kind: EdgeKind; digest: Digest }[] };

/** Reads a query through a cursor, so that neither side ever holds more than one page of it. */
async function* rowsOf(session: Session, row: ExportedRow['row'], sql: string): AsyncGenerator<ExportedRow> {
  await session.query(`DECLARE rows NO SCROLL CURSOR FOR ${sql}`);
  for (;;) {
    const page = await session.query<Raw>(`FETCH ${ROWS} FROM rows`);
    for (const raw of page) yield filled({ row, ...raw });
    if (page.length < ROWS) break;
  }
  await session.query('CLOSE rows');
}

type Unfilled = Extract<ExportedRow, { row: 'manifest' | 'trash' }> & { id: number; size: number };

/** Adds the bytes, as many at once as fit the bound; they are of the same moment. */
async function* withBytes(
  session: Session,
  rows: AsyncIterable<ExportedRow>,
  of: keyof typeof bytesOf = 'manifest',
): AsyncGenerator<ExportedRow> {
  let page: Unfilled[] = [];
  let total = 0;
  for await (const row of rows as AsyncIterable<Unfilled>) {
    if (page.length > 0 && total + row.size > MOST_BYTES) {
      yield* await fill(session, page, of);
      page = [];
      total = 0;
    }
    page.push(row);
    total += row.size;
  }
  yield* await fill(session, page, of);
}

const bytesOf = {
  manifest: 'SELECT manifest_id AS id, bytes FROM manifest_bytes WHERE manifest_id = ANY ($1)',
  trash: 'SELECT trash_id AS id, bytes FROM trash_bytes WHERE trash_id = ANY ($1)',
};

async function fill(session: Session, page: readonly Unfilled[], of: keyof typeof bytesOf): Promise<ExportedRow[]> {
  const found = await session.query<{ id: number; bytes: Buffer }>(bytesOf[of], [page.map(({ id }) => id)]);
  const bytes = new Map(found.map((row) => [row.id, row.bytes]));
  return page.map(({ id, size: _, ...row }) => ({ ...row, bytes: bytes.get(id) ?? Buffer.alloc(0) }));
}

/** A column that holds nothing is left out of its row. */
function filled(raw: object): ExportedRow {
  const row = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== null));
  if (typeof row.annotations === 'string') row.annotations = JSON.parse(row.annotations);
  return row as unknown as ExportedRow;
}
