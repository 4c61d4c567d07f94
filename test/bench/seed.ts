import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../src/domain/oci/digest.ts';
import { SCHEMA_VERSION } from '../../src/registry/metadata/sqlite/migrations.ts';
import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import type { MetadataStore, NewManifest } from '../../src/registry/metadata/store.ts';
import { withLock } from '../e2e/cluster/lock.ts';
import type { Bench } from './bench.ts';
import { manifestType } from './content.ts';
import { startOurs } from './peers/ours.ts';
import { pause } from './process.ts';

/** How much there is of everything that is listed. */
export const amount = 100_000;
export const tagsRepository = 'bench/tags';
export const referrersRepository = 'bench/referrers';
/** Referrers of the two subjects. */
export const referrerCounts = [10, 1000] as const;

/** `t000000` and so on, and below `many/` the same of repositories: in ASCII order, as lists are. */
export function tagName(index: number): string {
  return `t${String(index).padStart(6, '0')}`;
}
export function repositoryName(index: number): string {
  return `many/r${String(index).padStart(6, '0')}`;
}
/** A subject that need not exist. */
export function subjectWith(referrers: number): Digest {
  return digestOf(`subject with ${referrers} referrers`);
}

/**
 * A folder with `data`: ours with 100,000 tagged images in one repository, and one image in each of 100,000 repositories. Written by
 * the store itself, and then served until its journal has its first checkpoint, which a registry writes once; kept in `cache`.
 */
export async function seedOurs({ cache, bundle }: Pick<Bench, 'cache' | 'bundle'>): Promise<string> {
  return await once(join(cache, `ours-${SCHEMA_VERSION}-settled`), async (folder) => {
    const directory = join(folder, 'data');
    await mkdir(directory);
    const store = await openSqlite({ directory, mode: 'serve', onDeath: () => undefined });
    try {
      await writeAll(store, images());
    } finally {
      await store.close();
    }
    const server = await startOurs({ bundle, folder });
    await checkpoint(join(directory, 'journal'));
    await server.stop();
  });
}

/** Waits for a checkpoint, five minutes at most: without one the cases measure a registry that is writing it. */
async function checkpoint(journal: string): Promise<void> {
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await pause(500)) {
    const entries = await readdir(journal, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries.filter((entry) => entry.isFile());
    if (files.some(({ name }) => !name.endsWith('.tmp'))) return;
  }
}

/** The same as the CNCF's registry would see it: what its lists read of its tree, and no more. It may be served as it is. */
export async function seedDistribution(cache: string): Promise<string> {
  return await once(join(cache, 'distribution-1'), async (folder) => {
    const repositories = join(folder, 'docker/registry/v2/repositories');
    const batch = async (make: (index: number) => Promise<unknown>) => {
      for (let first = 0; first < amount; first += 500) {
        await Promise.all(Array.from({ length: 500 }, (_, offset) => make(first + offset)));
      }
    };
    const tags = join(repositories, tagsRepository, '_manifests/tags');
    await batch(async (index) => {
      const current = join(tags, tagName(index), 'current');
      await mkdir(current, { recursive: true });
      await writeFile(join(current, 'link'), digestOf(tagName(index)));
    });
    await batch(async (index) => {
      await mkdir(join(repositories, repositoryName(index), '_manifests/tags/latest'), { recursive: true });
      await mkdir(join(repositories, repositoryName(index), '_layers'));
    });
  });
}

/** Copies the data of a seed into a folder, so that serving it changes nothing. */
export async function copyOf(seed: string, target: string): Promise<void> {
  await cp(join(seed, 'data'), join(target, 'data'), { recursive: true });
}

/** The folder appears under its name when it is whole. */
async function once(folder: string, fill: (folder: string) => Promise<void>): Promise<string> {
  return await withLock(`${folder}.lock`, async () => {
    if (await stat(folder).catch(() => undefined)) return folder;
    const part = `${folder}.part`;
    await rm(part, { recursive: true, force: true });
    await mkdir(part, { recursive: true });
    await fill(part);
    await rename(part, folder);
    return folder;
  });
}

/** Many at once, so that they share commits. */
async function writeAll(store: MetadataStore, rows: Iterable<NewManifest>): Promise<void> {
  const inFlight = new Set<Promise<unknown>>();
  for (const row of rows) {
    const write = store.putManifest(row);
    inFlight.add(write);
    write.finally(() => inFlight.delete(write)).catch(() => undefined);
    if (inFlight.size >= 2000) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
}

function* images(): Iterable<NewManifest> {
  for (let index = 0; index < amount; index++) yield image(tagsRepository, tagName(index));
  for (let index = 0; index < amount; index++) yield image(repositoryName(index), 'latest');
  for (const count of referrerCounts)
    for (let index = 0; index < count; index++) yield referrer(subjectWith(count), index);
}

function image(repository: string, tag: string): NewManifest {
  const pieces = ['config', 'layer', 'layer'].map((kind, number) => ({
    kind: kind as 'config' | 'layer',
    digest: digestOf(`${repository}:${tag} ${number}`),
    required: false,
  }));
  const describe = ({ digest }: { digest: string }) => ({
    mediaType: 'application/octet-stream',
    digest,
    size: 1_000_000,
  });
  const [config, ...layers] = pieces.map(describe);
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers }));
  return { repository, tags: [tag], edges: pieces, ...described(bytes) };
}

function referrer(subject: Digest, index: number): NewManifest {
  const artifactType = 'application/vnd.example.signature';
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: manifestType, artifactType, subject, annotations: { index } }),
  );
  const edges = [{ kind: 'subject' as const, digest: subject, required: false }];
  return { repository: referrersRepository, tags: [], edges, subject, artifactType, ...described(bytes) };
}

function described(bytes: Buffer) {
  return { digest: digestOf(bytes), mediaType: manifestType, bytes, by: { name: 'bench', now: 1_700_000_000_000 } };
}

function digestOf(content: string | Buffer): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}` as Digest;
}
