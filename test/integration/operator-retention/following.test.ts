/** What the inventory knows, and when it says that it does not, from a real API server that comes and goes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inventory, type Snapshot } from '../../../src/operator/inventory/watch.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { type CountingClient, collectingLog, countingClient, eventually } from '../kube/setup.ts';

let api: BareApiServer;
let kube: CountingClient;
before(async () => {
  api = await startBareApiServer();
  kube = countingClient(api);
});
after(async () => {
  kube?.close();
  await api?.stop();
});

const longestBehindMs = 3000;

function pod(name: string, image: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'c', image, env: [{ name: 'LONG', value: 'x'.repeat(20_000) }] }] },
  };
}

function snapshot(inventory: Inventory): Snapshot {
  const current = inventory.current();
  if ('unknown' in current) throw new Error(current.unknown);
  return current;
}

function names(inventory: Inventory): string[] {
  const report = JSON.parse(snapshot(inventory).body(new Date())) as { images: { image: string }[] };
  return report.images.map(({ image }) => image);
}

describe('the inventory', { timeout: 900_000 }, () => {
  test('is unknown until everything was read, and while the API server is away for long; then it has what was missed', async () => {
    await kube.client.create(pod('first', 'h/first:1'));
    const inventory = new Inventory({ client: kube.client, namespaces: [], log: collectingLog(), longestBehindMs });
    try {
      inventory.start();
      assert.deepEqual(inventory.current(), { unknown: 'not all workloads were read yet' });
      await eventually('what is used', () => 'revision' in inventory.current());
      assert.deepEqual(names(inventory), ['h/first:1']);
      // Its watches may end before the crash is through.
      const crashedAt = performance.now();
      await api.crash();
      await eventually('it to be unknown', () => 'unknown' in inventory.current());
      assert.ok(performance.now() - crashedAt >= longestBehindMs, 'a hiccup is no reason');
      await api.restart();
      await kube.client.create(pod('second', 'h/second:1'));
      await eventually('what was missed', () => {
        const current = inventory.current();
        return 'revision' in current && names(inventory).join() === 'h/first:1,h/second:1';
      });
    } finally {
      await inventory.stop();
    }
  });

  test('of some namespaces says so, and has nothing of the others', async () => {
    await kube.client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'quiet' } });
    const log = collectingLog();
    const inventory = new Inventory({ client: kube.client, namespaces: ['quiet'], log, longestBehindMs });
    try {
      inventory.start();
      await eventually('what is used', () => 'revision' in inventory.current());
      const report = JSON.parse(snapshot(inventory).body(new Date('2026-01-01T00:00:00Z')));
      assert.deepEqual(report, {
        apiVersion: 'inventory.ne-registry.io/v1alpha1',
        reportedAt: '2026-01-01T00:00:00.000Z',
        namespaces: ['quiet'],
        images: [],
      });
    } finally {
      await inventory.stop();
    }
  });

  test('of hundreds of large pods is a small report, and what does not touch images makes no new report', async () => {
    for (let at = 0; at < 400; at++) await kube.client.create(pod(`many-${at}`, `h/many:${at % 10}`));
    const inventory = new Inventory({ client: kube.client, namespaces: [], log: collectingLog(), longestBehindMs });
    try {
      inventory.start();
      await eventually('what is used', () => 'revision' in inventory.current());
      const { revision } = snapshot(inventory);
      assert.ok(snapshot(inventory).body(new Date()).length < 4000);
      const ref = { apiVersion: 'v1', kind: 'Pod', name: 'many-1', namespace: 'default' };
      await kube.client.patch(ref, { metadata: { annotations: { poke: '1' } } });
      await kube.client.patch(ref, { status: { message: 'still here' } }, { subresource: 'status' });
      await sleep(1500);
      assert.equal(snapshot(inventory).revision, revision);
    } finally {
      await inventory.stop();
    }
  });
});
