import type { Digest } from '../../../../domain/oci/digest.ts';
import { imageShaper, type RawImage } from '../../raw-image.ts';
import type { ImageRow } from '../../retaining.ts';
import type { Database } from '../database.ts';
import { CHILDREN, CONFIG, CONTENT_SIZE } from '../image-columns.ts';
import { QueryFailure, type Session, type Statement } from '../session.ts';

/** Images that one query brings. */
const BATCH = 2000;

const IMAGE = `SELECT m.id, m.digest, m.media_type, m.pushed_at, m.pulled_hour, ${CONTENT_SIZE} AS content_size, m.subject, ${CONFIG} AS config,
  ${CHILDREN} AS children, (SELECT string_agg(t.name, chr(10)) FROM tags t WHERE t.manifest_id = m.id) AS tags`;
const page: Statement = {
  name: 'images',
  text: `${IMAGE} FROM manifests m WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.digest > $2
    ORDER BY m.digest LIMIT ${BATCH}`,
};
const some: Statement = {
  name: 'images_of',
  text: `${IMAGE} FROM unnest($2::text[]) AS k (digest)
    JOIN manifests m ON m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.digest = k.digest`,
};

interface Row {
  id: number;
  digest: Digest;
  media_type: string;
  pushed_at: number;
  pulled_hour: number | null;
  content_size: number;
  subject: Digest | null;
  config: Digest | null;
  children: string | null;
  tags: string | null;
}

function rawOf(row: Row): RawImage {
  const { id, digest, media_type, pushed_at, pulled_hour, content_size, subject, config, children, tags } = row;
  return [id, digest, media_type, pushed_at, pulled_hour, content_size, subject, config, children, tags];
}

/**
 * Images of a repository as of one moment, in the order of their digests: one transaction that sees one snapshot, on a connection
 * of its own, while others write. Throws StoreError.
 */
export async function* images(database: Database, repository: string): AsyncGenerator<readonly ImageRow[]> {
  const session = await database.borrow();
  let done = false;
  try {
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // The reader may be slow: it plans between two batches.
    await session.query(`SET LOCAL idle_in_transaction_session_timeout = '15min'`);
    yield* pages(session, repository);
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

async function* pages(session: Session, repository: string): AsyncGenerator<readonly ImageRow[]> {
  const shape = imageShaper();
  for (let last = ''; ; ) {
    const rows = await session.query<Row>(page, [repository, last]);
    if (rows.length > 0) yield rows.map((row) => shape(rawOf(row)));
    last = rows.at(-1)?.digest ?? last;
    if (rows.length < BATCH) return;
  }
}

/** Those of them that are there. */
export async function imagesOf(
  database: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<ImageRow[]> {
  if (digests.length === 0) return [];
  const rows = await database.read<Row>(some, [repository, digests]);
  const shape = imageShaper();
  return rows.map((row) => shape(rawOf(row)));
}
