/** Random histories of a registry whose blobs are real files: what the tests of recovery let happen before the database is lost. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Digest } from '../../src/domain/oci/digest.ts';
import type { ExportedRow } from '../../src/registry/metadata/recovery.ts';
import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { factsOf } from '../../src/registry/recovery/restore/facts.ts';
import { FolderRecords } from '../../src/registry/storage/filesystem/records.ts';
import { FilesystemStore } from '../../src/registry/storage/filesystem.ts';
import type { BlobStore } from '../../src/registry/storage/store.ts';
import { by, chunks, digestOfBytes, temporaryFolder } from './fixtures.ts';

const REPOSITORIES = ['m/a', 'm/b'];
const TAGS = ['x', 'y'];
const LAYERS = ['one', 'two', 'three'].map((text) => Buffer.from(text));
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';

const repository = fc.constantFrom(...REPOSITORIES);
const layer = fc.nat(LAYERS.length - 1);
const tag = fc.constantFrom(...TAGS);
const tags = fc.uniqueArray(tag);
const version = fc.integer({ min: 1, max: 9 });

export const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('push' as const), repository, layer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mount' as const), repository, from: repository, layer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hide' as const), repository, layer }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), repository, layer, tags, note: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('untag' as const), repository, tag: fc.constantFrom(...TAGS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), repository, layer, note: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('copy' as const), repository, layer, tag, version }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('copy-deletion' as const), repository, layer, tag, version }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rule' as const), name: tag, generation: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('no-rule' as const), name: tag }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('expire' as const), repository, layer, note: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restore' as const), repository, layer, note: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('journal' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('checkpoint' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
export type Write = Exclude<Step, { do: 'journal' | 'checkpoint' | 'snapshot' }>;

export interface House {
  readonly path: string;
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly journal: FolderRecords;
  readonly target: FolderRecords;
  close(): Promise<void>;
}

export async function openHouse(): Promise<House> {
  const { path, remove } = await temporaryFolder();
  const blobs = await FilesystemStore.open({ directory: path, reserveBytes: 0 });
  const metadata = await openSqlite({ directory: path, mode: 'offline', onDeath: () => undefined, reserveBytes: 0 });
  const journal = new FolderRecords(join(path, 'journal'));
  const target = new FolderRecords(join(path, 'target'));
  const close = async () => {
    await metadata.close();
    await blobs.close();
    await remove();
  };
  return { path, metadata, blobs, journal, target, close };
}

/** An empty store to restore into. */
export async function openEmpty(): Promise<{ store: MetadataStore; close(): Promise<void> }> {
  const { path, remove } = await temporaryFolder();
  const store = await openSqlite({ directory: path, mode: 'offline', onDeath: () => undefined, reserveBytes: 0 });
  return { store, close: () => store.close().then(remove) };
}

export function imageOf(at: number, note: number): { bytes: Buffer; digest: Digest } {
  const bytes = LAYERS[at] ?? Buffer.alloc(0);
  const descriptor = { mediaType: 'application/octet-stream', digest: digestOfBytes(bytes), size: bytes.length };
  const subject = note === 1 ? { subject: { ...descriptor, mediaType: IMAGE } } : {};
  const image = { schemaVersion: 2, mediaType: IMAGE, config: descriptor, layers: [descriptor], ...subject };
  const body = Buffer.from(JSON.stringify({ ...image, annotations: { note: `${note}` } }));
  return { bytes: body, digest: digestOfBytes(body) };
}

export async function write({ metadata, blobs }: House, step: Write, now: number): Promise<void> {
  if (step.do === 'untag') {
    await metadata.deleteTag(step.repository, step.tag, by(now));
    return;
  }
  if (step.do === 'rule' || step.do === 'no-rule') return writeRule(metadata, step, now);
  const bytes = LAYERS[step.layer] ?? Buffer.alloc(0);
  const digest = digestOfBytes(bytes);
  if (step.do === 'copy-deletion') {
    const { repository, tag, version } = step;
    const replicated = { version, origin: 'other' };
    await metadata.deleteReplicatedTag({ repository, tag, replicated, digest, by: by(now, 'other') });
    return;
  }
  if (step.do === 'push') return pushBlob({ metadata, blobs }, { repository: step.repository, bytes, digest }, now);
  if (step.do === 'mount') await metadata.mountBlob({ repository: step.repository, from: step.from, digest, now });
  if (step.do === 'hide') await metadata.deleteBlob(step.repository, digest, now);
  if (step.do === 'delete')
    await metadata.deleteManifest(step.repository, imageOf(step.layer, step.note).digest, by(now, 'rule'));
  if (step.do === 'expire' || step.do === 'restore') return inAndOut(metadata, step, now);
  if (step.do === 'put' || step.do === 'copy') await putImage(metadata, step, now);
}

async function putImage(
  metadata: MetadataStore,
  step: Extract<Write, { do: 'put' | 'copy' }>,
  now: number,
): Promise<void> {
  const image = imageOf(step.layer, step.do === 'put' ? step.note : 0);
  const facts = factsOf(image.bytes, IMAGE);
  const edges = facts.edges.map((edge) => ({ ...edge, required: edge.kind !== 'subject' }));
  const put = { ...facts, ...image, repository: step.repository, edges };
  if (step.do === 'put') await metadata.putManifest({ ...put, tags: step.tags, by: by(now) });
  else
    await metadata.putManifest({
      ...put,
      tags: [step.tag],
      replicated: { version: step.version, origin: 'other' },
      by: by(now, 'other'),
    });
}

async function inAndOut(
  metadata: MetadataStore,
  { do: what, repository, layer, note }: Extract<Write, { do: 'expire' | 'restore' }>,
  now: number,
): Promise<void> {
  const digests = [imageOf(layer, note).digest];
  if (what === 'restore') {
    await metadata.restore({ repository, digests, by: by(now) });
    return;
  }
  const images = await metadata.imagesOf(repository, digests);
  await metadata.expire({ repository, images, by: by(now), policy: 'p', until: now + 99, inUseRevision: 0 });
}

async function writeRule(
  metadata: MetadataStore,
  step: Extract<Write, { do: 'rule' | 'no-rule' }>,
  now: number,
): Promise<void> {
  const { name } = step;
  if (step.do === 'no-rule') {
    await metadata.deleteRule('replication', name, by(now));
    return;
  }
  const document = `{"of":${now}}`;
  const { generation } = step;
  await metadata.putRule({
    kind: 'replication',
    name,
    uid: 'u',
    generation,
    document,
    changedAt: now,
    changedBy: 'x',
  });
}

async function pushBlob(
  { metadata, blobs }: Pick<House, 'metadata' | 'blobs'>,
  blob: { repository: string; bytes: Buffer; digest: Digest },
  now: number,
): Promise<void> {
  const { repository, bytes, digest } = blob;
  const uploadId = randomUUID();
  await metadata.createUpload({ id: uploadId, repository, owner: 'x', startedAt: now });
  await blobs.begin(uploadId);
  await blobs.append(uploadId, chunks(bytes), { offset: 0 });
  const { key, size } = await blobs.finish(uploadId, digest);
  await metadata.addBlob({ repository, digest, size, key, uploadId, now });
}

export async function exported(store: Pick<MetadataStore, 'export'>): Promise<ExportedRow[]> {
  const rows: ExportedRow[] = [];
  for await (const row of store.export()) rows.push(row);
  return rows;
}

/** What a restore has to bring back exactly: manifests, tags with their versions, which blobs each manifest shows, and rules. */
export function essence(rows: readonly ExportedRow[]): unknown {
  const visible = new Set(rows.flatMap((row) => (row.row === 'visible' ? [`${row.repository} ${row.digest}`] : [])));
  const keys = new Map(rows.flatMap((row) => (row.row === 'blob' ? [[row.digest as string, row.key] as const] : [])));
  return rows.flatMap((row): unknown[] => {
    if (row.row === 'tag' || row.row === 'tombstone' || row.row === 'rule') return [row];
    if (row.row !== 'manifest') return [];
    const shown = row.edges.map(({ digest }) =>
      visible.has(`${row.repository} ${digest}`) ? keys.get(digest) : 'hidden',
    );
    return [{ ...row, bytes: Buffer.from(row.bytes).toString(), shown }];
  });
}
