import { importBatches } from '../import-batches.ts';
import type { ExportedRow } from '../recovery.ts';
import { StoreError } from '../store.ts';
import type { Database } from './database.ts';
import { importStatements, type Kind } from './import-statements.ts';
import type { Session } from './session.ts';

/** Rows in one transaction. */
const mostRows = 1000;

/** Puts exported rows into an empty store. Throws StoreError; what was put in so far stays then. */
export async function importRows(database: Database, rows: AsyncIterable<ExportedRow>): Promise<void> {
  await database.transaction('BEGIN', requireEmpty);
  for await (const batch of importBatches(rows, mostRows))
    await database.transaction('BEGIN', (session) => importBatch(session, batch));
  await database.transaction('BEGIN', finish);
}

async function requireEmpty(session: Session): Promise<void> {
  const found = await session.query('(SELECT 1 FROM repositories LIMIT 1) UNION ALL (SELECT 1 FROM blobs LIMIT 1)');
  if (found.length > 0)
    throw new StoreError('io', 'the metadata holds repositories already; rows are only put into an empty store');
}

/** Rows of one kind that follow each other go in together. */
async function importBatch(session: Session, batch: readonly ExportedRow[]): Promise<void> {
  for (let at = 0; at < batch.length; ) {
    const kind = batch[at]?.row;
    let end = at;
    while (batch[end]?.row === kind) end += 1;
    await importKind(session, batch.slice(at, end));
    at = end;
  }
}

async function importKind(session: Session, rows: readonly ExportedRow[]): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const { columns, statements } = importStatements[first.row] as Kind;
  const values = columns.map((column) => rows.map((row) => column(row as never)));
  for (const { text, wants } of statements)
    await session.query(
      text,
      wants.map((at) => values[at]),
    );
  if (first.row === 'tag') await requireAll(session, rows);
}

async function requireAll(session: Session, rows: readonly ExportedRow[]): Promise<void> {
  const names = rows.filter((row) => row.row === 'tag');
  const [absent] = await session.query<{ repository: string; name: string }>(
    `SELECT k.repository, k.name FROM unnest($1::text[], $2::text[]) AS k (repository, name)
     WHERE NOT EXISTS (SELECT 1 FROM repositories r JOIN tags t ON t.repository_id = r.id AND t.name = k.name WHERE r.name = k.repository) LIMIT 1`,
    [names.map(({ repository }) => repository), names.map(({ name }) => name)],
  );
  if (absent !== undefined)
    throw new StoreError('corrupt', `the tag ${absent.repository}:${absent.name} came before its manifest`);
}

/** What follows from the rows: what is listed, what is up for review from now on, the counts, whose bytes these are. */
async function finish(session: Session): Promise<void> {
  await session.query('SET LOCAL statement_timeout = 0');
  for (const sql of [
    'UPDATE repositories r SET listed = true WHERE NOT listed AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id)',
    `INSERT INTO review_queue (blob_id, since, size) SELECT b.id, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, b.size FROM blobs b
     WHERE NOT EXISTS (SELECT 1 FROM edges e WHERE e.target = b.digest AND e.kind IN ('config', 'layer'))
       AND NOT EXISTS (SELECT 1 FROM trash_edges e WHERE e.target = b.digest AND e.kind IN ('config', 'layer')) ON CONFLICT DO NOTHING`,
    'DELETE FROM statistics_deltas',
    `UPDATE statistics SET repositories = (SELECT count(*) FROM repositories WHERE listed), manifests = (SELECT count(*) FROM manifests),
       tags = (SELECT count(*) FROM tags), blobs = (SELECT count(*) FROM blobs), blob_bytes = (SELECT coalesce(sum(size), 0) FROM blobs),
       reclaimable_bytes = (SELECT coalesce(sum(size), 0) FROM review_queue) WHERE one = 1`,
    'UPDATE accounting SET since = 0 WHERE one = 1',
  ])
    await session.query(sql);
}
