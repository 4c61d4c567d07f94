import type { Digest } from '../../../domain/oci/digest.ts';
import { linesOf } from '../raw-image.ts';
import { subjectsByTag } from '../referrer-tags.ts';
import type {
  Expiry,
  ExpiryResult,
  ImageRow,
  InventoryRow,
  Reporter,
  RestoredImage,
  Retaining,
  TrashNames,
  TrashPosition,
  TrashRow,
} from '../retaining.ts';
import type { Actor, Millis } from '../store.ts';
import type { Database } from './database.ts';
import { named } from './names.ts';
import { images, imagesOf } from './reads/images.ts';
import type { Statement } from './session.ts';
import { call } from './writes/blobs.ts';

const expire: Statement = {
  name: 'expire',
  text: named('SELECT fn.expire($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS value'),
};
const restore: Statement = { name: 'restore', text: named('SELECT fn.restore($1, $2, $3, $4, $5) AS value') };
const empty: Statement = { name: 'empty_trash', text: named('SELECT fn.empty_trash($1, $2) AS value') };

const TRASH = `SELECT t.repository, t.digest, t.media_type AS "mediaType", t.content_size AS "contentSize", t.expired_at AS "expiredAt",
    t.until, t.policy, (SELECT string_agg(g.name, chr(10)) FROM trash_tags g WHERE g.trash_id = t.id) AS tags,
    (SELECT coalesce(json_agg(json_build_object('kind', e.kind, 'digest', e.target)), '[]') FROM trash_edges e WHERE e.trash_id = t.id) AS edges`;
const all: Statement = {
  name: 'trash',
  text: `${TRASH} FROM trash t WHERE (t.expired_at, t.repository, t.digest) > ($1, $2, $3) ORDER BY t.expired_at, t.repository, t.digest LIMIT $4`,
};
const ofOne: Statement = {
  name: 'trash_of_repository',
  text: `${TRASH} FROM trash t WHERE t.repository = $1 AND (t.expired_at, t.digest) > ($2, $3) ORDER BY t.expired_at, t.digest LIMIT $4`,
};
const byName: Statement = {
  name: 'in_trash',
  text: `${TRASH} FROM (
      SELECT id FROM trash WHERE digest = ANY ($1)
      UNION SELECT trash_id FROM trash_edges WHERE target = ANY ($1) AND kind = 'config'
      UNION SELECT g.trash_id FROM unnest($2::text[], $3::text[]) AS k (repository, name)
        JOIN trash_tags g ON g.repository = k.repository AND g.name = k.name
    ) AS found JOIN trash t ON t.id = found.id ORDER BY t.expired_at, t.repository, t.digest`,
};

const report: Statement = {
  name: 'put_inventory',
  text: named('SELECT fn.put_inventory($1, $2, $3, $4, $5) AS value'),
};
const revision: Statement = { name: 'in_use_revision', text: 'SELECT revision FROM in_use WHERE one = 1' };
const reports: Statement = {
  name: 'inventories',
  text: `SELECT cluster, reported_at AS "reportedAt", received_at AS "receivedAt", document, names FROM inventories ORDER BY cluster`,
};
const reporters: Statement = {
  name: 'reporters',
  text: 'SELECT cluster, reported_at AS "reportedAt", received_at AS "receivedAt" FROM inventories ORDER BY cluster',
};
const one: Statement = {
  name: 'inventory',
  text: `SELECT cluster, reported_at AS "reportedAt", received_at AS "receivedAt", document, names FROM inventories WHERE cluster = $1`,
};
const keep: Statement = { name: 'keep_inventories', text: 'DELETE FROM inventories WHERE cluster <> ALL ($1)' };

type RawTrash = Omit<TrashRow, 'tags'> & { tags: string | null };

/** What retention needs, on PostgreSQL: replicas may do each of these at once. */
export class PostgresRetaining implements Retaining {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  images(repository: string): AsyncIterable<readonly ImageRow[]> {
    return images(this.#database, repository);
  }

  imagesOf(repository: string, digests: readonly Digest[]): Promise<ImageRow[]> {
    return imagesOf(this.#database, repository, digests);
  }

  async expire({ repository, images: batch, by, policy, until, inUseRevision }: Expiry): Promise<ExpiryResult> {
    const images = [...new Map(batch.map((image) => [image.digest, image])).values()];
    const referrers = images.flatMap(({ digest, tags }) => subjectsByTag(tags).map((subject) => [digest, subject]));
    const answer = await call<{ outcome: 'in-use-changed' } | { outcome: 'done'; expired: Digest[] }>(
      this.#database,
      expire,
      [
        repository,
        images.map(({ digest }) => digest),
        images.map(({ tags }) => [...new Set(tags)].sort().join('\n')),
        images.map(({ pulledHour = -1 }) => pulledHour),
        referrers.map(([digest]) => digest),
        referrers.map(([, subject]) => subject),
        policy,
        until,
        inUseRevision,
        by.name,
        by.now,
        by.origin ?? null,
      ],
    );
    if (answer.outcome === 'in-use-changed') return answer;
    const expired = new Set(answer.expired);
    const changed = images.map(({ digest }) => digest).filter((digest) => !expired.has(digest));
    return { outcome: 'done', expired: answer.expired, changed };
  }

  async trash(page: { repository?: string; last?: TrashPosition; limit: number }): Promise<TrashRow[]> {
    const { repository, limit, last = { expiredAt: -1, repository: '', digest: '' } } = page;
    const rows =
      repository === undefined
        ? await this.#database.read<RawTrash>(all, [last.expiredAt, last.repository, last.digest, limit])
        : await this.#database.read<RawTrash>(ofOne, [repository, last.expiredAt, last.digest, limit]);
    return rows.map(trashOf);
  }

  async inTrash({ digests = [], tags = [] }: TrashNames): Promise<TrashRow[]> {
    const names = [tags.map(({ repository }) => repository), tags.map(({ tag }) => tag)];
    return (await this.#database.read<RawTrash>(byName, [digests, ...names])).map(trashOf);
  }

  restore({ repository, digests, by }: { repository: string; digests: readonly Digest[]; by: Actor }) {
    return call<RestoredImage[]>(this.#database, restore, [repository, digests, by.name, by.now, by.origin ?? null]);
  }

  emptyTrash(now: Millis, limit: number): Promise<number> {
    return call(this.#database, empty, [now, limit]);
  }

  async putInventory({ cluster, reportedAt, receivedAt, document, names }: InventoryRow) {
    const values = [cluster, reportedAt, receivedAt, document, names];
    return { revision: await call<number>(this.#database, report, values) };
  }

  /** The revision is read first: where a report comes in between it is too low, and nothing expires by it. */
  async inventories(): Promise<{ revision: number; reports: InventoryRow[] }> {
    const [row] = await this.#database.read<{ revision: number }>(revision, []);
    return { revision: row?.revision ?? 0, reports: await this.#database.read<InventoryRow>(reports, []) };
  }

  async reporters(): Promise<{ revision: number; reports: Reporter[] }> {
    const [row] = await this.#database.read<{ revision: number }>(revision, []);
    return { revision: row?.revision ?? 0, reports: await this.#database.read<Reporter>(reporters, []) };
  }

  async inventory(cluster: string): Promise<InventoryRow | undefined> {
    const [row] = await this.#database.read<InventoryRow>(one, [cluster]);
    return row;
  }

  async keepInventories(clusters: readonly string[]): Promise<void> {
    await this.#database.write(keep, [clusters]);
  }
}

function trashOf({ tags, ...row }: RawTrash): TrashRow {
  return { ...row, tags: linesOf(tags) };
}
