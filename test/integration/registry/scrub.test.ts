/** The scrubber finds what rotted, takes it out of service, puts back what was right after all, and trusts no failure. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, client } from './client.ts';
import { run, type Server, type ServerOptions, startServer } from './server.ts';
import { filesOf } from './space/disk.ts';
import { until } from './space/until.ts';

const mebibyte = 1024 * 1024;
let server: Server;
let registry: Client;
/** Some that stay whole, so that one that is missing stands out. */
const sound: string[] = [];

const document = (bytesPerSecond: number): NonNullable<ServerOptions['document']> => ({
  auth: { administrators: ['tester'], anonymous: 'Pull' },
  scrub: { bytesPerSecond },
});
/** Files that were read a moment ago are still open, whatever happens to their names: for some seconds. */
const closed = (folder: string) =>
  until(`no file of ${folder} is open`, () => !openFiles().some((path) => path.startsWith(folder)));
before(async () => {
  server = await startServer({ document: document(100 * mebibyte) });
  registry = client(server);
  for (let n = 0; n < 3; n++) sound.push(await registry.pushBlob('scrub', randomBytes(1000)));
});
after(() => server?.discard());

const head = async (digest: string) => (await registry.request('HEAD', `/v2/scrub/blobs/${digest}`)).status;
const get = async (digest: string) => registry.request('GET', `/v2/scrub/blobs/${digest}`);
const metrics = async () => (await registry.request('GET', '/metrics')).body.toString();
const rounds = async () =>
  Number(/job_runs_total\{kind="scrub",result="success"\} (\d+)/.exec(await metrics())?.[1] ?? 0);
const quarantined = async () => Number(/^ne_registry_quarantined_blobs (\d+)$/m.exec(await metrics())?.[1]);

async function scrub(): Promise<void> {
  const before = await rounds();
  assert.equal((await registry.request('POST', '/admin/v1/jobs/scrub')).status, 202);
  await until('the blobs are read again', async () => (await rounds()) > before);
}

/** Paths of what the registry has open. */
function openFiles(): string[] {
  const folder = `/proc/${server.pid}/fd`;
  return readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(join(folder, fd));
    } catch {
      return 'closed meanwhile';
    }
  });
}

/** A line comes another way than an answer does. */
const isLogged = (text: string) => until(`it is logged: ${text}`, () => server.log.some((line) => line.includes(text)));

function only(digest: string): string {
  const [path, ...more] = filesOf(server.data, digest);
  assert.ok(path !== undefined && more.length === 0);
  return path;
}

test('a bit that flipped at rest is found, told, taken out of service, and healed by a push', async () => {
  const bytes = randomBytes(200_000);
  const digest = await registry.pushBlob('scrub', bytes);
  await scrub();
  assert.equal(await quarantined(), 0);
  const stored = readFileSync(only(digest));
  stored[100_000] = (stored[100_000] ?? 0) ^ 1;
  writeFileSync(only(digest), stored);
  await scrub();
  assert.deepEqual([await head(digest), (await get(digest)).status], [404, 404]);
  assert.equal(await quarantined(), 1);
  const check = await run(['admin', 'check', '--data', server.data]);
  assert.equal(check.code, 1);
  assert.match(check.stdout, new RegExp(`${digest}: is out of service, because it was of another digest`));
  await registry.pushBlob('scrub', bytes);
  assert.ok((await get(digest)).body.equals(bytes));
  assert.equal(await quarantined(), 0);
  for (const other of sound) assert.equal(await head(other), 200);
});

test('a blob that was only away for a while is put back into service', async () => {
  const bytes = randomBytes(5000);
  const digest = await registry.pushBlob('scrub', bytes);
  const path = only(digest);
  renameSync(path, join(server.data, 'away'));
  assert.equal(await head(digest), 404);
  renameSync(join(server.data, 'away'), path);
  assert.equal(await head(digest), 404);
  await scrub();
  assert.ok((await get(digest)).body.equals(bytes));
});

test('one blob that is missing is quarantined; where most are, the volume is away and nothing is concluded', async () => {
  const digest = await registry.pushBlob('scrub', randomBytes(5000));
  rmSync(only(digest));
  await scrub();
  assert.equal(await quarantined(), 1);
  renameSync(join(server.data, 'blobs'), join(server.data, 'blobs.away'));
  mkdirSync(join(server.data, 'blobs'));
  await closed(join(server.data, 'blobs.away'));
  await scrub();
  await isLogged('is the volume mounted?');
  rmSync(join(server.data, 'blobs'), { recursive: true });
  renameSync(join(server.data, 'blobs.away'), join(server.data, 'blobs'));
  assert.equal(await quarantined(), 1);
  for (const other of sound) assert.equal(await head(other), 200);
});

test('bytes that cannot be read are told, and not quarantined', async () => {
  const bytes = randomBytes(5000);
  const digest = await registry.pushBlob('scrub', bytes);
  const path = only(digest);
  renameSync(path, `${path}.away`);
  symlinkSync(path, path);
  await scrub();
  await isLogged('could not be read; nothing was concluded');
  rmSync(path);
  renameSync(`${path}.away`, path);
  assert.ok((await get(digest)).body.equals(bytes));
});

test('reading is held to its rate, and ends soon when the registry stops', async () => {
  await registry.pushBlob('scrub', randomBytes(60 * mebibyte));
  await server.stop();
  const started = performance.now();
  server = await startServer({ data: server.data, document: document(mebibyte) });
  registry = client(server);
  const scrubbed = async () => Number(/^ne_registry_scrubbed_bytes_total (\d+)$/m.exec(await metrics())?.[1]);
  assert.equal((await registry.request('POST', '/admin/v1/jobs/scrub')).status, 202);
  await until('some is read', async () => (await scrubbed()) > 0);
  await sleep(2000);
  const read = await scrubbed();
  const seconds = (performance.now() - started) / 1000;
  // What is read before it is paid for is one piece.
  assert.ok(read <= (seconds + 1) * mebibyte, `${read} bytes in ${seconds} seconds`);
  const began = performance.now();
  assert.equal(await server.stop(), 0);
  // Far sooner than it would have read what is left, which takes a minute.
  assert.ok(performance.now() - began < 20_000, `${performance.now() - began} ms`);
});
