import type { Digest } from '../../../../domain/oci/digest.ts';
import type { BlobRow, Millis } from '../../store.ts';
import { Coalescer } from '../coalescer.ts';
import type { Database } from '../database.ts';
import { distinct } from '../distinct.ts';
import { named } from '../names.ts';
import type { Statement } from '../session.ts';
import { AT_ONCE } from './manifests.ts';

/** A lease is written at most this often (milliseconds) for each blob: half of the shortest grace time. */
const LEASE_COARSENESS = 5_000;

const visible: Statement = {
  name: 'blobs_visible',
  text: `SELECT q.n, b.digest, b.size, b.key FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS q (repository, digest, n)
    JOIN blobs b ON b.digest = q.digest AND b.state = 'ok' JOIN repository_blobs v ON v.blob_id = b.id AND v.repository = q.repository`,
};
const leases: Statement = {
  name: 'leases',
  text: `SELECT b.digest, q.blob_id IS NOT NULL AND (b.leased_at <= $2 OR q.condemned_at IS NOT NULL) AS due
    FROM unnest($1::text[]) AS d (digest) JOIN blobs b ON b.digest = d.digest AND b.state = 'ok' LEFT JOIN review_queue q ON q.blob_id = b.id`,
};
const renew: Statement = { name: 'renew_lease', text: named('SELECT fn.renew_lease($1, $2) AS digest') };

interface Asked {
  readonly repository: string;
  readonly digest: Digest;
}
interface Lease {
  readonly digests: readonly Digest[];
  readonly now: Millis;
}

/** Look-ups of blobs, and the leases that pulls and checks renew: many in one query. */
export class BlobLookups {
  #visible: Coalescer<Asked, BlobRow | undefined>;
  #leases: Coalescer<Lease, boolean>;
  #renewals: Coalescer<Lease, boolean>;

  constructor(database: Database) {
    this.#visible = new Coalescer(AT_ONCE, (asked) => lookUp(database, asked));
    this.#renewals = new Coalescer(AT_ONCE, async (asked) => {
      const gone = await database.write<{ digest: Digest }>(renew, [every(asked), newest(asked)]);
      const absent = new Set(gone.map(({ digest }) => digest));
      return asked.map(({ digests }) => !digests.some((digest) => absent.has(digest)));
    });
    this.#leases = new Coalescer(AT_ONCE, (asked) => this.#check(database, asked));
  }

  visible(repository: string, digest: Digest): Promise<BlobRow | undefined> {
    return this.#visible.ask({ repository, digest });
  }

  /** False where one of the blobs is gone. */
  lease(digests: readonly Digest[], now: Millis): Promise<boolean> {
    return digests.length === 0 ? Promise.resolve(true) : this.#leases.ask({ digests, now });
  }

  /** Asked for first, because most blobs are referred to and need no lease. */
  async #check(database: Database, asked: readonly Lease[]): Promise<boolean[]> {
    type Row = { digest: Digest; due: boolean };
    const rows = await database.read<Row>(leases, [every(asked), newest(asked) - LEASE_COARSENESS]);
    const due = new Map(rows.map((row) => [row.digest, row.due]));
    return await Promise.all(
      asked.map(({ digests, now }) => {
        if (digests.some((digest) => !due.has(digest))) return false;
        const wanted = digests.filter((digest) => due.get(digest));
        return wanted.length === 0 || this.#renewals.ask({ digests: wanted, now });
      }),
    );
  }
}

function every(asked: readonly Lease[]): Digest[] {
  return [...new Set(asked.flatMap(({ digests }) => digests))];
}

function newest(asked: readonly Lease[]): Millis {
  return Math.max(...asked.map(({ now }) => now));
}

/** One row for each question, asked once however often it was put. */
async function lookUp(database: Database, asked: readonly Asked[]): Promise<(BlobRow | undefined)[]> {
  const { questions, places } = distinct(asked, ({ repository, digest }) => `${repository}\n${digest}`);
  const values = [questions.map(({ repository }) => repository), questions.map(({ digest }) => digest)];
  const rows: (BlobRow | undefined)[] = new Array(questions.length);
  for (const { n, digest, size, key } of await database.read<BlobRow & { n: number }>(visible, values))
    rows[n - 1] = { digest, size, key };
  return places.map((place) => rows[place]);
}

const places: Statement = {
  name: 'repositories_with_blob',
  text: `SELECT v.repository AS name FROM repository_blobs v
    WHERE v.blob_id = (SELECT id FROM blobs WHERE digest = $1 AND state = 'ok') ORDER BY v.repository LIMIT $2`,
};

export async function repositoriesWithBlob(database: Database, digest: Digest, limit: number): Promise<string[]> {
  return (await database.read<{ name: string }>(places, [digest, limit])).map(({ name }) => name);
}

const all: Statement = {
  name: 'blobs',
  text: 'SELECT digest, size, key FROM blobs WHERE digest > $1 ORDER BY digest LIMIT $2',
};

export function blobs(database: Database, { last, limit }: { last?: Digest; limit: number }): Promise<BlobRow[]> {
  return database.read<BlobRow>(all, [last ?? '', limit]);
}
