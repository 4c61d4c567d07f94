/** On a volume without a byte left, deletes and reclaim make room, and pushes go on: no restart, nobody's help. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdtempSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, client, descriptor, digestOf, imageType } from './client.ts';
import { type Server, startServer } from './server.ts';
import { filesOf } from './space/disk.ts';
import { until } from './space/until.ts';

const mebibyte = 1024 * 1024;
const volume = mkdtempSync(join(tmpdir(), 'ne-full-reclaim-'));
const filler = join(volume, 'somebody-elses-file');
let server: Server;
let registry: Client;

before(async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', volume]);
  const document = {
    reclaim: { graceSeconds: 0 },
    // More than what SQLite holds back for deletes, and may have given up by the time of a push.
    limits: { reserveBytes: 16 * mebibyte },
    auth: { administrators: ['tester'] },
  };
  server = await startServer({ data: volume, document });
  registry = client(server);
});
after(async () => {
  await server?.kill();
  execFileSync('umount', ['--lazy', volume]);
  rmdirSync(volume);
  rmSync(`${volume}.config.json`, { force: true });
});

async function pushImage(tag: string, layer: Buffer): Promise<string> {
  const config = Buffer.from(JSON.stringify({ tag }));
  for (const bytes of [config, layer]) await registry.pushBlob('full', bytes);
  const image = { schemaVersion: 2, mediaType: imageType, config: descriptor(config), layers: [descriptor(layer)] };
  const body = Buffer.from(JSON.stringify(image));
  const put = await registry.request('PUT', `/v2/full/manifests/${tag}`, {
    body,
    headers: { 'content-type': imageType },
  });
  assert.equal(put.status, 201);
  return digestOf(body);
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(volume);
  return bavail * bsize;
}

/** The registry measures the space again when its last measurement is a quarter of a second old. */
const measured = () => sleep(1000);

/**
 * SQLite gives its reserve up to whatever needs it, such as a job that begins just then, and takes it again within ten seconds.
 * What was given up must not be filled as well: deletes would have nothing.
 */
function fillAllButReserve(): boolean {
  const isHeld = () => existsSync(join(volume, 'reserve'));
  rmSync(filler, { force: true });
  if (!isHeld()) return false;
  fill();
  return isHeld() && freeBytes() === 0;
}

/** Takes every byte that is left. */
function fill(): void {
  const { bsize } = statfsSync(volume);
  for (let size = Math.max(freeBytes(), bsize); size >= bsize; size = Math.floor(size / 2))
    try {
      appendFileSync(filler, Buffer.alloc(size));
    } catch {
      // Half as much, then.
    }
}

test('reclaim needs no space to make some', async () => {
  const [kept, doomed] = [randomBytes(mebibyte), randomBytes(40 * mebibyte)];
  await pushImage('kept', kept);
  const digest = await pushImage('doomed', doomed);
  await until('nothing is left but what is held back for deletes', fillAllButReserve, 120);
  await measured();
  const begun = await registry.request('POST', '/v2/full/blobs/uploads/');
  assert.equal(begun.status, 429, 'the volume should be full');

  assert.equal((await registry.request('DELETE', `/v2/full/manifests/${digest}`)).status, 202);
  await until('the layer is removed', () => filesOf(volume, digestOf(doomed)).length === 0, 90);
  // The name goes first; the kernel gives the pages back after that.
  await until('its space is there again', () => freeBytes() > 30 * mebibyte);

  const fresh = randomBytes(4 * mebibyte);
  await until('a push is taken', () =>
    registry.pushBlob('full', fresh).then(
      () => true,
      () => false,
    ),
  );
  for (const bytes of [kept, fresh]) {
    const got = await registry.request('GET', `/v2/full/blobs/${digestOf(bytes)}`);
    assert.ok(got.body.equals(bytes), `${got.status}`);
  }
});
