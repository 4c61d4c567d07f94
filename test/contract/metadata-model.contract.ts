/** Random interleavings of writes against a small model that is obviously right; the history is printed when they disagree. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '../../src/domain/oci/digest.ts';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { by, digest, layer, manifest } from './fixtures.ts';
import { feed, type OpenMetadata } from './metadata.contract.ts';

const REPOSITORIES = ['m/a', 'm/b'];
const TAGS = ['x', 'y'];
const BLOBS = [digest(0xb1), digest(0xb2)];
const MANIFESTS = [digest(1), digest(2), digest(3)];

const repository = fc.constantFrom(...REPOSITORIES);
const blob = fc.constantFrom(...BLOBS);
const tag = fc.constantFrom(...TAGS);
const of = fc.constantFrom(...MANIFESTS);
const condition = fc.constantFrom('none', 'createOnly', 'ifNoneMatch', 'ifMatch');

const step = fc.oneof(
  fc.record({ do: fc.constant('push-blob' as const), repository, blob }),
  fc.record({ do: fc.constant('mount' as const), repository, from: repository, blob }),
  fc.record({ do: fc.constant('delete-blob' as const), repository, blob }),
  fc.record({ do: fc.constant('put' as const), repository, of, blob, tags: fc.uniqueArray(tag), condition }),
  fc.record({ do: fc.constant('delete-tag' as const), repository, tag }),
  fc.record({ do: fc.constant('delete' as const), repository, of }),
  fc.record({
    do: fc.constant('expire' as const),
    repository,
    of: fc.uniqueArray(of, { minLength: 1 }),
    seen: fc.uniqueArray(tag),
  }),
  fc.record({ do: fc.constant('restore' as const), repository, of }),
  fc.record({ do: fc.constant('empty' as const), repository, after: fc.nat(20) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** How long what expires stays in the trash. */
const STAY = 10;

interface Trashed {
  readonly needs: Digest;
  readonly tags: readonly string[];
  readonly until: number;
}

/** What a registry knows, in maps. A manifest's value is the blob it was first put with. */
class Model {
  blobs = new Set<string>();
  manifests = new Map<string, Digest>();
  tags = new Map<string, Digest>();
  trash = new Map<string, Trashed>();
  /** Of tags that are gone: the manifest that they expired with, or nothing where somebody deleted them. */
  buried = new Map<string, Digest | undefined>();
  changes: string[] = [];
  /** Blobs whose bytes are there, visible or not: only reclaim removes them. */
  stored = new Set<Digest>();

  apply(step: Step, now: number): unknown {
    switch (step.do) {
      case 'push-blob':
        this.blobs.add(`${step.repository} ${step.blob}`);
        this.stored.add(step.blob);
        return 'named';
      case 'mount':
        if (!this.blobs.has(`${step.from} ${step.blob}`)) return false;
        this.blobs.add(`${step.repository} ${step.blob}`);
        return true;
      case 'delete-blob':
        return this.#deleteBlob(step.repository, step.blob);
      case 'put':
        return this.#put(step);
      case 'delete-tag':
        return this.#deleteTag(step.repository, step.tag);
      case 'delete':
        return this.#delete(step.repository, step.of);
      case 'expire':
        return this.#expire(step, now);
      case 'restore':
        return this.#restore(step.repository, step.of);
      case 'empty':
        return this.#empty(now + step.after);
    }
  }

  #expire({ repository: where, of, seen }: Step & { do: 'expire' }, now: number): unknown {
    const tagsOf = (target: Digest) => TAGS.filter((name) => this.tags.get(`${where} ${name}`) === target);
    const going = of.filter((target) => {
      const tags = tagsOf(target);
      return (
        this.manifests.has(`${where} ${target}`) &&
        tags.length === seen.length &&
        tags.every((name) => seen.includes(name))
      );
    });
    for (const target of going) {
      const tags = tagsOf(target);
      const needs = this.manifests.get(`${where} ${target}`) as Digest;
      for (const name of tags) {
        this.#deleteTag(where, name);
        this.buried.set(`${where} ${name}`, target);
      }
      this.manifests.delete(`${where} ${target}`);
      this.trash.set(`${where} ${target}`, { needs, tags, until: now + STAY });
      this.changes.push(`manifest-deleted ${where} ${target}`);
    }
    return new Set(going);
  }

  #restore(where: string, target: Digest): unknown {
    const key = `${where} ${target}`;
    const trashed = this.trash.get(key);
    if (trashed === undefined) return [];
    this.trash.delete(key);
    this.manifests.set(key, trashed.needs);
    this.changes.push(`manifest-put ${key}`);
    const isFree = (name: string) =>
      !this.tags.has(`${where} ${name}`) && this.buried.get(`${where} ${name}`) === target;
    const tags = trashed.tags.filter(isFree);
    const tagsTaken = trashed.tags.filter((name) => !isFree(name));
    for (const name of tags) {
      this.tags.set(`${where} ${name}`, target);
      this.changes.push(`tag-set ${key} ${name}`);
    }
    return [{ digest: target, tags, tagsTaken }];
  }

  #empty(now: number): number {
    const due = [...this.trash].filter(([, { until }]) => until <= now);
    for (const [key] of due) this.trash.delete(key);
    return due.length;
  }

  #deleteBlob(where: string, target: Digest): string {
    if (!this.blobs.has(`${where} ${target}`)) return 'unknown';
    const kept = [...this.trash].map(([name, { needs }]) => [name, needs] as const);
    if ([...this.manifests, ...kept].some(([name, needs]) => name.startsWith(`${where} `) && needs === target))
      return 'referenced';
    this.blobs.delete(`${where} ${target}`);
    this.changes.push(`blob-deleted ${where} ${target}`);
    return 'deleted';
  }

  #put({ repository: where, of: target, blob: needs, tags, condition: wanted }: Step & { do: 'put' }): unknown {
    if (!this.blobs.has(`${where} ${needs}`)) return { outcome: 'missing', digests: [needs] };
    for (const name of tags) {
      const current = this.tags.get(`${where} ${name}`);
      const refused =
        (wanted === 'createOnly' && current !== undefined && current !== target) ||
        (wanted === 'ifNoneMatch' && current !== undefined) ||
        (wanted === 'ifMatch' && current !== MANIFESTS[0]);
      if (refused) return { outcome: 'conflict', tag: name, ...(current === undefined ? {} : { current }) };
    }
    const created = !this.manifests.has(`${where} ${target}`);
    if (created) {
      this.manifests.set(`${where} ${target}`, needs);
      this.trash.delete(`${where} ${target}`);
      this.changes.push(`manifest-put ${where} ${target}`);
    }
    for (const name of tags) {
      if (this.tags.get(`${where} ${name}`) === target) continue;
      this.tags.set(`${where} ${name}`, target);
      this.changes.push(`tag-set ${where} ${target} ${name}`);
    }
    return { outcome: 'stored', created };
  }

  #deleteTag(where: string, name: string): boolean {
    const current = this.tags.get(`${where} ${name}`);
    if (current === undefined) return false;
    this.tags.delete(`${where} ${name}`);
    this.buried.set(`${where} ${name}`, undefined);
    this.changes.push(`tag-deleted ${where} ${current} ${name}`);
    return true;
  }

  #delete(where: string, target: Digest): boolean {
    if (!this.manifests.delete(`${where} ${target}`)) return false;
    for (const name of TAGS) if (this.tags.get(`${where} ${name}`) === target) this.#deleteTag(where, name);
    this.changes.push(`manifest-deleted ${where} ${target}`);
    return true;
  }

  /** Everything a reader can see. */
  view(): unknown {
    const listed = REPOSITORIES.filter((name) => [...this.manifests.keys()].some((key) => key.startsWith(`${name} `)));
    return {
      tags: REPOSITORIES.map((where) => TAGS.filter((name) => this.tags.has(`${where} ${name}`))),
      resolved: pairs(TAGS).map(([where, name]) => this.tags.get(`${where} ${name}`)),
      manifests: pairs(MANIFESTS).map(([where, target]) => this.manifests.has(`${where} ${target}`)),
      blobs: pairs(BLOBS).map(([where, target]) => this.blobs.has(`${where} ${target}`)),
      trash: pairs(MANIFESTS).map(([where, target]) => this.trash.get(`${where} ${target}`)?.tags),
      listed,
      counts: [listed.length, this.manifests.size, this.tags.size],
      unreferenced: this.#unreferenced(),
      changes: this.changes,
    };
  }

  #unreferenced(): number {
    const needed = new Set([...this.manifests.values(), ...[...this.trash.values()].map(({ needs }) => needs)]);
    return [...this.stored].filter((target) => !needed.has(target)).length;
  }
}

function pairs<T>(values: readonly T[]): [string, T][] {
  return REPOSITORIES.flatMap((where) => values.map((value): [string, T] => [where, value]));
}

async function view(store: MetadataStore): Promise<unknown> {
  const all = <T, R>(values: readonly T[], read: (value: T) => Promise<R>) => Promise.all(values.map(read));
  const statistics = await store.statistics();
  return {
    tags: await all(REPOSITORIES, async (where) => store.tags(where, { limit: 99 })),
    resolved: await all(
      pairs(TAGS),
      async ([where, name]) => (await store.manifestBytes(where, { tag: name }))?.digest,
    ),
    manifests: await all(
      pairs(MANIFESTS),
      async ([where, target]) => (await store.manifest(where, { digest: target })) !== undefined,
    ),
    blobs: await all(pairs(BLOBS), async ([where, target]) => (await store.blob(where, target)) !== undefined),
    trash: await trashed(store),
    listed: await store.repositories({ limit: 99 }),
    counts: [statistics.repositories, statistics.manifests, statistics.tags],
    unreferenced: statistics.reclaimableBytes / 10,
    changes: (await feed(store)).map((row) =>
      [row.kind, row.repository, row.digest, row.tag].filter((part) => part !== undefined).join(' '),
    ),
  };
}

async function trashed(store: MetadataStore): Promise<unknown> {
  const rows = new Map((await store.trash({ limit: 99 })).map((row) => [`${row.repository} ${row.digest}`, row.tags]));
  return pairs(MANIFESTS).map(([where, target]) => {
    const tags = rows.get(`${where} ${target}`);
    return tags === undefined ? undefined : [...tags].sort();
  });
}

/** As if a plan had seen these tags at each of the images. */
async function expire(
  store: MetadataStore,
  { repository: where, of, seen }: Step & { do: 'expire' },
  now: number,
): Promise<unknown> {
  const images = of.map((target) => ({ digest: target, tags: seen }));
  const batch = { repository: where, images, by: by(now), policy: 'p', until: now + STAY, inUseRevision: 0 };
  const result = await store.expire(batch);
  return result.outcome === 'done' ? new Set(result.expired) : result;
}

function conditionsOf(wanted: string) {
  const first = MANIFESTS[0];
  if (wanted === 'ifMatch' && first !== undefined) return { conditions: { ifMatch: first } };
  return wanted === 'none' ? {} : { conditions: { [wanted]: true } };
}

function run(store: MetadataStore, step: Step, { now, uploadId }: { now: number; uploadId: string }): Promise<unknown> {
  const { repository: where } = step;
  switch (step.do) {
    case 'push-blob':
      return store.addBlob({
        repository: where,
        digest: step.blob,
        size: 10,
        key: `k ${uploadId}`,
        uploadId,
        now,
      });
    case 'mount':
      return store.mountBlob({ repository: where, from: step.from, digest: step.blob, now });
    case 'delete-blob':
      return store.deleteBlob(where, step.blob, now);
    case 'put': {
      const { of: target, tags } = step;
      const put = manifest({ repository: where, digest: target, tags, edges: [layer(step.blob)], by: by(now) });
      return store.putManifest({ ...put, ...conditionsOf(step.condition) });
    }
    case 'delete-tag':
      return store.deleteTag(where, step.tag, by(now));
    case 'delete':
      return store.deleteManifest(where, step.of, by(now));
    case 'expire':
      return expire(store, step, now);
    case 'restore':
      return store.restore({ repository: where, digests: [step.of], by: by(now) });
    case 'empty':
      return store.emptyTrash(now + step.after, 99);
  }
}

async function beginUpload(store: MetadataStore): Promise<string> {
  const id = randomUUID();
  await store.createUpload({ id, repository: 'm/a', owner: 'tester', startedAt: 1 });
  return id;
}

/**
 * Steps that are issued together are committed in the order of the calls, one after the other as far as anybody can see. A store
 * with many writers promises no order among calls that are under way at once (`inOrder` false): it gets them one by one.
 */
export function metadataModelContract(name: string, open: OpenMetadata, runs: number, inOrder = true): void {
  test(`${name} agrees with the model after any interleaving of writes`, async () => {
    const bursts = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 });
    const property = fc.asyncProperty(bursts, async (history) => {
      const { store, close } = await open();
      const model = new Model();
      const done: string[] = [];
      let now = 1000;
      try {
        for (const burst of history) {
          const uploads = await Promise.all(burst.map(() => beginUpload(store)));
          const results: unknown[] = [];
          const start = now;
          now += burst.length;
          const issued = burst.map(
            (one, at) => () => run(store, one, { now: start + at, uploadId: uploads[at] ?? '' }),
          );
          if (inOrder) results.push(...(await Promise.all(issued.map((issue) => issue()))));
          else for (const issue of issued) results.push(await issue());
          burst.forEach((one, at) => {
            done.push(`${JSON.stringify(one)} → ${JSON.stringify(results[at])}`);
            assert.deepEqual(results[at], model.apply(one, start + at), `answers differ:\n${done.join('\n')}`);
          });
          assert.deepEqual(await view(store), model.view(), `states differ:\n${done.join('\n')}`);
        }
      } finally {
        await close();
      }
    });
    await fc.assert(property, { numRuns: runs });
  });
}
