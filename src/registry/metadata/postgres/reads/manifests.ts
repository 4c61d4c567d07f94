import type { Digest } from '../../../../domain/oci/digest.ts';
import type { ManifestRow, ManifestWithBytes, Page, Reference, ReferrerRow } from '../../store.ts';
import { Coalescer } from '../coalescer.ts';
import { type ContentCache, LARGEST } from '../content-cache.ts';
import type { Database } from '../database.ts';
import { distinct } from '../distinct.ts';
import type { Statement } from '../session.ts';

/** Reads of one kind that are under way at once: two keep the server busy while an answer is taken apart. */
export const AT_ONCE = 2;

const COLUMNS = 'm.digest, m.media_type AS "mediaType", m.size, m.subject, m.pushed_at AS "pushedAt"';

/**
 * $1 repositories, $2 tags or digests, $3 digests whose bytes are here ('' for none, '-' where no bytes are wanted). The order of
 * the joins is written down in the conditions: each is a look-up in one index.
 */
const ASKED = 'FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS q (repository, name, held, n)';
/** Bytes that come along; larger ones are asked for one by one, so that 256 answers at once cost 8 MB at most. */
const INLINE = 16 * 1024;
const REST = `LEFT JOIN manifest_bytes b ON b.manifest_id = m.id AND q.held <> '-' AND q.held <> m.digest AND m.size <= ${INLINE}`;
const byTag: Statement = {
  name: 'manifests_by_tag',
  text: `SELECT q.n, m.id, ${COLUMNS}, b.bytes ${ASKED} JOIN repositories r ON r.name = q.repository
    JOIN tags t ON t.repository_id = r.id AND t.name = q.name JOIN manifests m ON m.id = t.manifest_id ${REST}`,
};
const byDigest: Statement = {
  name: 'manifests_by_digest',
  text: `SELECT q.n, m.id, ${COLUMNS}, b.bytes ${ASKED} JOIN repositories r ON r.name = q.repository
    JOIN manifests m ON m.repository_id = r.id AND m.digest = q.name ${REST}`,
};

const bytesOf: Statement = { name: 'manifest_bytes', text: 'SELECT bytes FROM manifest_bytes WHERE manifest_id = $1' };

interface Asked {
  readonly repository: string;
  readonly name: string;
  /** A digest whose bytes need not come, '' for none, '-' where only the row is wanted. */
  readonly held: string;
}

interface RawRow {
  n: number;
  id: number;
  digest: Digest;
  mediaType: string;
  size: number;
  subject: Digest | null;
  pushedAt: number;
  bytes: Buffer | null;
}

/** Look-ups of manifests, many in one query. */
export class ManifestLookups {
  #tags: Coalescer<Asked, RawRow | undefined>;
  #digests: Coalescer<Asked, RawRow | undefined>;
  #large: Coalescer<number, Buffer | undefined>;
  #cache: ContentCache;

  constructor(database: Database, cache: ContentCache) {
    this.#cache = cache;
    this.#tags = new Coalescer(AT_ONCE, (asked) => lookUp(database, byTag, asked));
    this.#digests = new Coalescer(AT_ONCE, (asked) => lookUp(database, byDigest, asked));
    const large = async ([id]: readonly number[]) => [
      (await database.read<{ bytes: Buffer }>(bytesOf, [id]))[0]?.bytes,
    ];
    this.#large = new Coalescer(1, large, 1);
  }

  async row(repository: string, reference: Reference): Promise<ManifestRow | undefined> {
    const raw = await this.#ask(repository, reference, '-');
    return raw === undefined ? undefined : rowOf(raw);
  }

  async withBytes(repository: string, reference: Reference): Promise<ManifestWithBytes | undefined> {
    const guess = 'tag' in reference ? this.#cache.guess(repository, reference.tag) : reference.digest;
    const held = guess === undefined ? undefined : this.#cache.get(guess);
    const raw = await this.#ask(repository, reference, held === undefined || guess === undefined ? '' : guess);
    if (raw === undefined) return undefined;
    const bytes = raw.bytes ?? (held !== undefined && guess === raw.digest ? held : await this.#large.ask(raw.id));
    // Deleted between the two questions.
    if (bytes === undefined) return undefined;
    if ('tag' in reference) this.#cache.learn(repository, reference.tag, raw.digest);
    this.#cache.set(raw.digest, bytes);
    return bytes.byteLength > LARGEST ? { ...rowOf(raw), bytes, exclusive: true } : { ...rowOf(raw), bytes };
  }

  #ask(repository: string, reference: Reference, held: string): Promise<RawRow | undefined> {
    return 'tag' in reference
      ? this.#tags.ask({ repository, name: reference.tag, held })
      : this.#digests.ask({ repository, name: reference.digest, held });
  }
}

/** One row for each question, asked once however often it was put. */
async function lookUp(
  database: Database,
  statement: Statement,
  asked: readonly Asked[],
): Promise<(RawRow | undefined)[]> {
  const { questions: different, places } = distinct(asked, keyOf);
  const columns = [
    different.map(({ repository }) => repository),
    different.map(({ name }) => name),
    different.map(({ held }) => held),
  ];
  const rows: (RawRow | undefined)[] = new Array(different.length);
  for (const row of await database.read<RawRow>(statement, columns)) rows[row.n - 1] = row;
  return places.map((place) => rows[place]);
}

function keyOf({ repository, name, held }: Asked): string {
  return `${repository}\n${name}\n${held}`;
}

function rowOf({ digest, mediaType, size, subject, pushedAt }: Omit<RawRow, 'n' | 'id' | 'bytes'>): ManifestRow {
  return subject === null ? { digest, mediaType, size, pushedAt } : { digest, mediaType, size, subject, pushedAt };
}

// The repository as a value, not as a join: the order is then that of the index.
const REFERRERS = `SELECT m.digest, m.media_type AS "mediaType", m.size, m.artifact_type AS "artifactType", m.annotations
  FROM manifests m WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.subject = $2 AND m.digest > $3`;
const allReferrers: Statement = { name: 'referrers', text: `${REFERRERS} ORDER BY m.digest LIMIT $4` };
const typedReferrers: Statement = {
  name: 'referrers_of_type',
  text: `${REFERRERS} AND m.artifact_type = $5 ORDER BY m.digest LIMIT $4`,
};

interface RawReferrer {
  digest: Digest;
  mediaType: string;
  size: number;
  artifactType: string | null;
  annotations: string | null;
}

export async function referrers(
  database: Database,
  subject: { repository: string; digest: Digest },
  page: Page & { artifactType?: string },
): Promise<ReferrerRow[]> {
  const { last = '', limit, artifactType } = page;
  const values = [subject.repository, subject.digest, last, limit];
  const rows =
    artifactType === undefined
      ? await database.read<RawReferrer>(allReferrers, values)
      : await database.read<RawReferrer>(typedReferrers, [...values, artifactType]);
  return rows.map(({ digest, mediaType, size, artifactType: type, annotations }) => ({
    digest,
    mediaType,
    size,
    ...(type === null ? {} : { artifactType: type }),
    ...(annotations === null ? {} : { annotations: JSON.parse(annotations) as Record<string, string> }),
  }));
}

type Whole = ManifestRow & { repository: string; bytes: Uint8Array };
type RawWhole = Omit<RawRow, 'n' | 'id' | 'bytes'> & { repository: string; bytes: Buffer };
const restOfRepository: Statement = {
  name: 'manifests_of_repository',
  text: `SELECT $1::text AS repository, ${COLUMNS}, b.bytes FROM manifests m JOIN manifest_bytes b ON b.manifest_id = m.id
    WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.digest > $2 ORDER BY m.digest LIMIT $3`,
};
/** No more repositories than manifests are wanted, and no more manifests of each. */
const repositoriesAfter: Statement = {
  name: 'manifests_after_repository',
  text: `SELECT r.name AS repository, ${COLUMNS}, b.bytes
    FROM (SELECT id, name FROM repositories WHERE listed AND name > $1 ORDER BY name LIMIT $2) AS r
    CROSS JOIN LATERAL (SELECT * FROM manifests WHERE repository_id = r.id ORDER BY digest LIMIT $2) AS m
    JOIN manifest_bytes b ON b.manifest_id = m.id ORDER BY r.name, m.digest LIMIT $2`,
};

/** Two ranges: the rest of the repository that the last page ended in, then the repositories after it. */
export async function manifests(
  database: Database,
  page: { last?: { repository: string; digest: Digest }; limit: number },
): Promise<Whole[]> {
  const { last, limit } = page;
  const first =
    last === undefined ? [] : await database.read<RawWhole>(restOfRepository, [last.repository, last.digest, limit]);
  const more =
    first.length >= limit
      ? []
      : await database.read<RawWhole>(repositoriesAfter, [last?.repository ?? '', limit - first.length]);
  return [...first, ...more].map(({ repository, bytes, ...raw }) => ({
    ...rowOf(raw),
    repository,
    bytes,
  }));
}
