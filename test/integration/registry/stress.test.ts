/**
 * Pushers, mounters, deleters, tag movers and pullers with the shortest grace time, and kill -9 in between: no byte that somebody
 * can reach is ever lost or wrong, and in the end the disk holds what is reachable and nothing else.
 * `NE_STRESS_SECONDS` makes it longer (`make soak`).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, client, digestOf } from './client.ts';
import { type Server, type ServerOptions, startServer } from './server.ts';
import { addresses, meddler, puller, pusher, quitter } from './space/actors.ts';
import { storedBytes } from './space/disk.ts';
import { Ledger } from './space/ledger.ts';
import { until } from './space/until.ts';

const seconds = Number(process.env.NE_STRESS_SECONDS ?? 50);
const data = mkdtempSync(join(tmpdir(), 'ne-stress-'));
const document: NonNullable<ServerOptions['document']> = {
  auth: { administrators: ['tester'] },
  reclaim: { graceSeconds: 0 },
  limits: { uploadIdleSeconds: 4 },
  content: { missingReferences: 'Refuse' },
};
let server: Server;
let registry: Client;

after(async () => {
  await server?.kill();
  rmSync(data, { recursive: true, force: true });
  rmSync(`${data}.config.json`, { force: true });
});

async function start(): Promise<void> {
  server = await startServer({ data, document });
  registry = client(server);
}

/** Kills the registry again and again, at moments of its own choosing. */
async function killUntil(over: AbortSignal, onKill: () => void): Promise<void> {
  for (;;) {
    await sleep(1000 + Math.random() * 8000, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    await server.kill();
    await start();
    onKill();
  }
}

/** What is there in the end, acknowledged or not, is whole. @returns bytes of blobs that are reachable */
async function verifyAll(ledger: Ledger): Promise<number> {
  const reachable = new Map<string, number>();
  for (const image of ledger.images) {
    if (image.state === 'deleted') continue;
    const { status } = await registry.request('HEAD', `/v2/${image.repository}/manifests/${image.digest}`);
    assert.ok(
      status === 200 || (status === 404 && image.state === 'unknown'),
      `${image.digest} ${image.state}: ${status}`,
    );
    if (status === 404) continue;
    for (const [path, wanted] of addresses(image)) {
      const got = await registry.request('GET', path);
      assert.ok(got.status === 200 && got.body.equals(wanted), `${path}: ${got.status}`);
    }
    for (const bytes of image.blobs) reachable.set(digestOf(bytes), bytes.length);
  }
  return [...reachable.values()].reduce((sum, size) => sum + size, 0);
}

test('kills, pushes, deletes and reclaim lose nothing, and leave nothing', {
  timeout: (seconds + 900) * 1000,
}, async (context) => {
  const ledger = new Ledger();
  const end = new AbortController();
  await start();
  const scene = { ledger, registry: () => registry, over: end.signal };
  const actors = [
    ...['p0', 'p1', 'p2'].map((name) => pusher(scene, name)),
    puller(scene),
    puller(scene),
    meddler(scene),
    quitter(scene),
  ];
  let kills = 0;
  const killing = killUntil(end.signal, () => {
    kills += 1;
  });
  await sleep(seconds * 1000);
  // On a machine that is busy with other things it takes longer until enough has happened.
  const pushed = () => ledger.counts['manifest 201'] ?? 0;
  await until('fifty images were pushed', () => pushed() >= 50, 180);
  await until('it was killed twice', () => kills >= 2);
  end.abort();
  await killing;
  await Promise.all(actors);
  context.diagnostic(`${kills} kills, ${JSON.stringify(ledger.counts)}`);
  assert.deepEqual(ledger.violations.slice(0, 5), []);
  const reachable = await verifyAll(ledger);
  await until('the disk holds what is reachable, within 1 %', () => storedBytes(data) <= reachable * 1.01, 300);
  assert.equal(await verifyAll(ledger), reachable);
  const stored = storedBytes(data);
  context.diagnostic(`${stored} bytes on the disk, ${reachable} reachable`);
  assert.ok(stored >= reachable);
});
