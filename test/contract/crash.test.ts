/** kill -9 at random moments: everything that was acknowledged is there afterwards, whole, and nothing is half. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Digest } from '../../src/domain/oci/digest.ts';
import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { FilesystemStore } from '../../src/registry/storage/filesystem.ts';
import type { BlobStore } from '../../src/registry/storage/store.ts';
import { by, digestOfBytes, temporaryFolder } from './fixtures.ts';
import { read } from './storage.contract.ts';

const KILLS = 20;

/** Lets the writer run until it is killed at a random moment; returns what it said. */
async function runAndKill(directory: string, round: number): Promise<string[][]> {
  const script = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
  const child = spawn(process.execPath, [script, directory, `${round}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(child.stdout, 'data');
  // So many lines as a quick machine says in a tenth of a second, on a slow one as well.
  for (const enough = randomInt(60); said.split('\n').length < enough; ) await once(child.stdout, 'data');
  await sleep(Math.random() * 20);
  // Every other time at once when something was acknowledged: an acknowledgement before its commit would be found out.
  if (round % 2 === 0) await once(child.stdout, 'data');
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  assert.ok(said.startsWith('ready'), said);
  const lines = said.split('\n').slice(1, -1);
  return lines.map((line) => line.split(' '));
}

class Expected {
  readonly tags = new Map<string, Digest | undefined>();
  readonly blobs = new Set<string>();
  readonly expired = new Map<string, Digest>();
  /** Deletions that were asked for and not acknowledged: either outcome is right. */
  readonly open = new Set<string>();

  hear([what, repository = '', name = '', target]: string[]): void {
    const key = `${repository} ${name}`;
    if (what === 'blob') this.blobs.add(key);
    if (what === 'tag') this.tags.set(key, target as Digest);
    if (what === 'deleting' || what === 'expiring') this.open.add(key);
    if (what === 'expired') this.expired.set(key, target as Digest);
    if (what !== 'deleted' && what !== 'expired') return;
    this.open.delete(key);
    this.tags.set(key, undefined);
  }
}

async function verifyAcknowledged(metadata: MetadataStore, blobs: BlobStore, expected: Expected): Promise<void> {
  for (const [key, wanted] of expected.tags) {
    const [repository = '', tag = ''] = key.split(' ');
    const row = await metadata.manifestBytes(repository, { tag });
    if (row === undefined && expected.open.has(key)) continue;
    assert.equal(row?.digest, wanted, key);
  }
  for (const key of expected.blobs) {
    const [repository = '', target = ''] = key.split(' ');
    const row = await metadata.blob(repository, target as Digest);
    assert.ok(row !== undefined, key);
    const bytes = await read(blobs, row.key);
    assert.equal(bytes.length, row.size);
    assert.equal(digestOfBytes(bytes), target);
  }
}

/** What expired is in the trash and nowhere else, and comes back with its tag. */
async function verifyTrash(metadata: MetadataStore, expected: Expected): Promise<void> {
  for (const [key, digest] of expected.expired) {
    const [repository = '', tag = ''] = key.split(' ');
    assert.equal(await metadata.manifest(repository, { digest }), undefined, key);
    const [back] = await metadata.restore({ repository, digests: [digest], by: by(5) });
    assert.ok(back?.tags.includes(tag), key);
  }
}

/** Whatever is there, acknowledged or not, is whole. */
async function verifyWhole(metadata: MetadataStore): Promise<void> {
  const rows = await metadata.manifests({ limit: 100_000 });
  for (const row of rows) {
    assert.equal(digestOfBytes(row.bytes), row.digest);
    const { layers } = JSON.parse(Buffer.from(row.bytes).toString()) as { layers: Digest[] };
    for (const target of layers) assert.ok(await metadata.blob(row.repository, target));
  }
  const { manifests } = await metadata.statistics();
  assert.equal(manifests, rows.length);
}

test(`${KILLS} kills lose nothing that was acknowledged`, async (context) => {
  const folder = await temporaryFolder();
  const expected = new Expected();
  for (let round = 0; round < KILLS; round++)
    for (const line of await runAndKill(folder.path, round)) expected.hear(line);
  const blobs = await FilesystemStore.open({ directory: folder.path, reserveBytes: 0 });
  const metadata = await openSqlite({
    directory: folder.path,
    mode: 'offline',
    onDeath: () => undefined,
    reserveBytes: 0,
  });
  context.diagnostic(`${expected.tags.size} tags and ${expected.blobs.size} blobs were acknowledged`);
  context.diagnostic(`${expected.expired.size} images expired`);
  assert.ok(expected.tags.size > KILLS, 'too little happened between the kills');
  await verifyAcknowledged(metadata, blobs, expected);
  await verifyWhole(metadata);
  await verifyTrash(metadata, expected);
  await verifyWhole(metadata);
  await metadata.close();
  await blobs.close();
  await folder.remove();
});
