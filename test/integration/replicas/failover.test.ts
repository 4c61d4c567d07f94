/** The database dies and its standby takes over: serving again within half a minute, and nothing acknowledged is lost. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '../../programs/postgres.ts';
import { type Client, client } from '../registry/client.ts';
import { type Fleet, startFleet } from './fleet.ts';

let fleet: Fleet;
let standby: PostgresServer;
before(async () => {
  fleet = await startFleet();
  standby = await fleet.postgres.standby({ synchronous: true });
});
after(async () => {
  await fleet.discard();
  await standby.remove();
});

const patience = 30_000;

test('a standby that is promoted serves within 30 s, with all that was acknowledged', {
  timeout: 180_000,
}, async () => {
  const replicas = await Promise.all([fleet.start(), fleet.start()]);
  const clients = replicas.map((replica) => client(replica));
  const acknowledged = new Map<string, string>();
  const state = { over: false };
  const pushers = clients.map((at, index) => pushUntilTold(at, `r${index}`, acknowledged, state));
  await sleep(1500);

  await fleet.postgres.kill();
  const died = performance.now();
  await sleep(500);
  const refused = await clients[0]?.request('GET', '/v2/failing/tags/list');
  assert.equal(refused?.status, 503, 'while there is no database');
  assert.ok(refused?.headers.get('retry-after'));
  await standby.promote();
  await pointTo(standby);
  const before = acknowledged.size;
  for (const at of clients) await answers(at, died);
  while (acknowledged.size < before + 4 && performance.now() - died < patience) await sleep(50);
  assert.ok(
    acknowledged.size >= before + 4,
    `no push went through within ${patience} ms: ${replicas[0]?.log.slice(-3).join('\n')}`,
  );
  state.over = true;
  await Promise.all(pushers);

  for (const at of clients)
    for (const [tag, digest] of acknowledged) {
      const { status, headers } = await at.request('HEAD', `/v2/failing/manifests/${tag}`);
      assert.equal(status, 200, `${tag} is gone`);
      assert.equal(headers.get('docker-content-digest'), digest);
    }
});

/** As an operator of the database moves its service: here the Secret gets the new address. */
async function pointTo({ port }: PostgresServer): Promise<void> {
  const { secretDirectory } = fleet.database;
  for (const key of await readdir(secretDirectory)) {
    const file = join(secretDirectory, key);
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll(String(fleet.postgres.port), String(port)));
  }
}

async function answers(at: Client, since: number): Promise<void> {
  for (;;) {
    const { status } = await at.request('GET', '/v2/failing/tags/list');
    if (status === 200) return;
    assert.ok(status === 503, `status ${status}`);
    assert.ok(performance.now() - since < patience, `still ${status} after ${patience} ms`);
    await sleep(100);
  }
}

async function pushUntilTold(
  at: Client,
  name: string,
  acknowledged: Map<string, string>,
  state: { over: boolean },
): Promise<void> {
  for (let count = 0; !state.over; count++) {
    try {
      const tag = `${name}-${count}`;
      acknowledged.set(tag, (await at.pushImage('failing', tag)).digest);
    } catch {
      await sleep(100);
    }
  }
}
