import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../../../domain/oci/digest.ts';
import { imageShaper, type RawImage } from '../../raw-image.ts';
import type { ImageRow } from '../../retaining.ts';
import { type Connection, openForReading } from '../connection.ts';
import { storeError } from '../faults.ts';

/** Images between two turns of the event loop: a millisecond, and so few that the collector of young objects need not move them. */
const BATCH = 250;

/** Of a row `m` that is older than the columns: worked out from its edges (`schema-retention.ts`). */
export const CONTENT_SIZE = `coalesce(m.content_size, m.size + (SELECT coalesce(sum(b.size), 0) FROM edges e JOIN blobs b ON b.digest = e.target
  WHERE e.manifest_id = m.id AND e.kind IN ('config', 'layer')))`;
export const CONFIG = `CASE WHEN m.content_size IS NOT NULL THEN m.config
  ELSE (SELECT target FROM edges WHERE manifest_id = m.id AND kind = 'config') END`;
export const CHILDREN = `CASE WHEN m.content_size IS NOT NULL THEN m.children
  ELSE (SELECT group_concat(target, char(10)) FROM edges WHERE manifest_id = m.id AND kind = 'child') END`;

const IMAGE = `SELECT m.id, m.digest, m.media_type, m.pushed_at, m.pulled_hour, ${CONTENT_SIZE}, m.subject, ${CONFIG}, ${CHILDREN},
  (SELECT group_concat(name, char(10)) FROM tags t WHERE t.manifest_id = m.id) FROM manifests m`;
const PAGE = `${IMAGE} WHERE m.repository_id = ? AND m.id > ? ORDER BY m.id LIMIT ${BATCH}`;
const ONE = `${IMAGE} WHERE m.repository_id = (SELECT id FROM repositories WHERE name = ?) AND m.digest = ?`;

/** One page, after the row `last`. */
export function imagePage(connection: Connection, repository: number, last: number): RawImage[] {
  return connection.arrays<RawImage>(PAGE, repository, last);
}

/** Reads the images of one repository after the other: to open a connection takes longer than to read a hundred images. */
export class ImageReader {
  readonly #path: string;
  #idle: Connection | undefined;
  #isClosed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Images of a repository as of one moment: one read transaction on a connection that nobody else uses meanwhile. Throws StoreError.
   */
  async *images(repository: string): AsyncGenerator<readonly ImageRow[]> {
    const connection = this.#idle ?? openForReading(this.#path);
    this.#idle = undefined;
    let done = false;
    try {
      connection.db.exec('BEGIN');
      yield* pages(connection, repository);
      connection.db.exec('COMMIT');
      done = true;
    } catch (error) {
      throw storeError(error);
    } finally {
      // Also where the reader gave up: the transaction is open still.
      if (done && this.#idle === undefined && !this.#isClosed) this.#idle = connection;
      else connection.close();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#idle?.close();
    this.#idle = undefined;
  }
}

async function* pages(connection: Connection, repository: string): AsyncGenerator<readonly ImageRow[]> {
  const id = connection.get<{ id: number }>('SELECT id FROM repositories WHERE name = ?', repository)?.id ?? -1;
  const shape = imageShaper();
  for (let last = 0; ; await turn()) {
    const page = imagePage(connection, id, last);
    if (page.length > 0) yield page.map(shape);
    last = page.at(-1)?.[0] ?? last;
    if (page.length < BATCH) return;
  }
}

/** Those of them that are there. */
export function imagesOf(connection: Connection, repository: string, digests: readonly Digest[]): ImageRow[] {
  return digests.flatMap((digest) => connection.arrays<RawImage>(ONE, repository, digest)).map(imageShaper());
}
