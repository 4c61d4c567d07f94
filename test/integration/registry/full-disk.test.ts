/** A full volume refuses pushes with 429 and what to do, serves pulls, lets deletes work, and recovers without a restart. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, client, digestOf } from './client.ts';
import { type Server, startServer } from './server.ts';

const mebibyte = 1024 * 1024;
const volume = mkdtempSync(join(tmpdir(), 'ne-full-'));
let server: Server;
let registry: Client;

before(async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', volume]);
  server = await startServer({ data: volume });
  registry = client(server);
});
after(async () => {
  await server?.kill();
  execFileSync('umount', ['--lazy', volume]);
  rmdirSync(volume);
});

/** Leaves `left` bytes of the volume free. */
function fill(left: number): string {
  const path = join(volume, 'somebody-elses-file');
  const { bavail, bsize } = statfsSync(volume);
  try {
    writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - left)));
  } catch (error) {
    // The registry wrote something itself meanwhile: the volume is as full as it can be.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  return path;
}

/** The registry measures the space again when its last measurement is a quarter of a second old. */
const measured = () => sleep(1000);

async function push(bytes: Buffer) {
  const begun = await registry.request('POST', '/v2/full/blobs/uploads/');
  if (begun.status !== 202) return begun;
  return registry.request('PUT', `${begun.headers.get('location')}?digest=${digestOf(bytes)}`, { body: bytes });
}

/** Pushes again as a client does that is told to come back. */
async function pushAtLast(bytes: Buffer): Promise<void> {
  for (let tries = 0; ; tries++) {
    const answer = await push(bytes);
    if (answer.status === 201) return;
    assert.ok(answer.status === 429 && tries < 120, `${answer.status} after ${tries} tries: ${answer.body}`);
    await sleep(500);
  }
}

test('pushes are refused with 429, pulls and deletes go on, and space brings pushes back', async () => {
  const { digest } = await registry.pushImage('full', 'kept');
  const doomed = await registry.pushImage('full', 'doomed');
  const filler = fill(mebibyte);
  await measured();
  const refused = await push(randomBytes(4 * mebibyte));
  assert.deepEqual([refused.status, refused.error], [429, 'TOOMANYREQUESTS']);
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
  assert.match(refused.body.toString(), /space|volume|disk/);

  assert.equal((await registry.request('GET', '/v2/full/manifests/kept')).headers.get('docker-content-digest'), digest);
  assert.equal((await registry.request('DELETE', `/v2/full/manifests/${doomed.digest}`)).status, 202);
  assert.equal((await registry.request('HEAD', `/v2/full/manifests/${doomed.digest}`)).status, 404);

  rmSync(filler);
  const bytes = randomBytes(4 * mebibyte);
  await pushAtLast(bytes);
  assert.deepEqual((await registry.request('GET', `/v2/full/blobs/${digestOf(bytes)}`)).body, bytes);
});

test('with not a byte left, deletes still work', async () => {
  const doomed = await registry.pushImage('full', 'last');
  const filler = fill(0);
  await measured();
  assert.equal((await push(randomBytes(1000))).status, 429);
  assert.equal((await registry.request('DELETE', `/v2/full/manifests/${doomed.digest}`)).status, 202);
  assert.equal((await registry.request('GET', '/v2/full/manifests/kept')).status, 200);
  rmSync(filler);
  await pushAtLast(randomBytes(1000));
});
