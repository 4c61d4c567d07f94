import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Registry } from 'prom-client';
import { Cache } from '../../../src/operator/kube/cache.ts';
import { ensure } from '../../../src/operator/kube/ensure.ts';
import { type KubeObject, ownedBy } from '../../../src/operator/kube/object.ts';
import { standingConditions } from '../../../src/operator/runtime/conditions.ts';
import {
  Controller,
  type Reconcile,
  requestFor,
  requestForLabel,
  source,
} from '../../../src/operator/runtime/controller.ts';
import { Stalled } from '../../../src/operator/runtime/errors.ts';
import { EventRecorder } from '../../../src/operator/runtime/events.ts';
import { runtimeMetrics } from '../../../src/operator/runtime/metrics.ts';
import { applyStatus } from '../../../src/operator/runtime/status.ts';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { type CountingClient, collectingLog, configMap, countingClient, eventually } from './setup.ts';

const WIDGET = { apiVersion: 'example.org/v1', kind: 'Widget' };
const LABEL = 'example.org/widget';
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const CRD: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.org' },
  spec: {
    group: 'example.org',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } },
      },
    ],
  },
};

function widget(name: string, value: string): KubeObject {
  return { ...WIDGET, metadata: { name, namespace: 'default' }, spec: { value } };
}

describe('the controller, against a real API server', () => {
  let server: BareApiServer;
  let own: CountingClient;
  before(async () => {
    server = await startBareApiServer();
    own = countingClient(server);
    await own.client.create(CRD);
    await eventually('the kind is served', () => own.client.serves(WIDGET));
  });
  after(async () => {
    own.close();
    await server.stop();
  });

  /** A controller of Widgets that have a ConfigMap each. */
  async function start(reconcile: (widget: KubeObject, caches: Caches) => ReturnType<Reconcile>, concurrency = 2) {
    const log = collectingLog();
    const registry = new Registry();
    const caches: Caches = {
      widgets: new Cache(own.client, { ...WIDGET, log }),
      children: new Cache(own.client, { apiVersion: 'v1', kind: 'ConfigMap', namespaces: ['default'], log }),
    };
    const controller = new Controller({
      name: 'widget',
      concurrency,
      log,
      metrics: runtimeMetrics(registry),
      sources: [
        source({ cache: caches.widgets, mapTo: requestFor }),
        source({ cache: caches.children, mapTo: requestForLabel(LABEL) }),
      ],
      reconcile: async ({ namespace, name }) => {
        const found = caches.widgets.get(namespace, name);
        if (found !== undefined) return await reconcile(found, caches);
      },
    });
    await controller.start();
    const stop = async () => {
      await controller.stop();
      await Promise.all([caches.widgets.stop(), caches.children.stop()]);
    };
    return { controller, caches, registry, log, stop };
  }
  interface Caches {
    widgets: Cache;
    children: Cache;
  }

  const withChild = async (found: KubeObject, { children }: Caches): Promise<void> => {
    const child = configMap(`${found.metadata.name}-child`, { value: (found.spec as { value: string }).value });
    const labels = { [LABEL]: found.metadata.name };
    const desired = { ...child, metadata: { ...child.metadata, labels, ownerReferences: [ownedBy(found)] } };
    await ensure(own.client, desired, children.get('default', child.metadata.name));
    const conditions = standingConditions(
      { state: 'ready', reason: 'Done', message: '' },
      found.metadata.generation ?? 0,
    );
    const status = { conditions, observedGeneration: found.metadata.generation ?? 0, child: child.metadata.name };
    await applyStatus(own.client, found, status, new Date());
  };
  const read = (name: string) => own.client.get({ ...WIDGET, namespace: 'default', name });
  const child = (name: string) =>
    own.client.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: `${name}-child` });

  test('converges, notices changes of parent and child, and is then silent for a hundred reconciles', async (t) => {
    const { controller, caches, registry, stop } = await start(withChild);
    t.after(stop);
    await own.client.create(widget('one', 'first'));
    await eventually('the child', () => child('one'));
    await own.client.patch({ ...WIDGET, namespace: 'default', name: 'one' }, { spec: { value: 'second' } });
    await eventually(
      'its change',
      async () => ((await child('one'))?.data as { value: string } | undefined)?.value === 'second',
    );
    await own.client.delete({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'one-child' });
    await eventually('its return', () => child('one'));
    await eventually(
      'the status',
      async () => ((await read('one'))?.status as { observedGeneration: number })?.observedGeneration === 2,
    );
    const reconciles = async () => {
      const metric = await registry.getSingleMetric('controller_runtime_reconcile_total')?.get();
      return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
    };
    // Converged is when the watches have brought back the last of what was written, and nothing was made of that.
    await eventually('the caches to be up to date', async () => {
      const heard = [caches.widgets.get('default', 'one'), caches.children.get('default', 'one-child')];
      const live = [await read('one'), await child('one')];
      return live.every((each, at) => each?.metadata.resourceVersion === heard[at]?.metadata.resourceVersion);
    });
    await eventually('nothing more to be made of it', async () => {
      const seen = [own.writes(), await reconciles()];
      await new Promise((resolve) => setTimeout(resolve, 500));
      return seen.join() === [own.writes(), await reconciles()].join();
    });
    const [writes, version] = [own.writes(), (await read('one'))?.metadata.resourceVersion];
    for (let round = 0; round < 100; round++) {
      const done = await reconciles();
      controller.enqueue({ namespace: 'default', name: 'one' });
      await eventually('a reconcile', async () => (await reconciles()) > done);
    }
    assert.equal(own.writes(), writes);
    assert.equal((await read('one'))?.metadata.resourceVersion, version);
  });

  test('lastTransitionTime stays while the status does, and what is no longer said goes', async () => {
    const live = await own.client.create(widget('status', ''));
    const say = (state: 'ready' | 'failing', message: string, extra: object = {}) => ({
      conditions: standingConditions({ state, reason: 'R', message }, 1),
      observedGeneration: 1,
      ...extra,
    });
    const at = (second: number) => new Date(Date.UTC(2030, 0, 1, 0, 0, second));
    const first = await applyStatus(own.client, live, say('failing', 'a', { url: 'https://a' }), at(1));
    const second = await applyStatus(own.client, first.object, say('failing', 'b'), at(2));
    const same = await applyStatus(own.client, second.object, say('failing', 'b'), at(3));
    const third = await applyStatus(own.client, second.object, say('ready', 'c'), at(4));
    assert.deepEqual(
      [first, second, same, third].map(({ written }) => written),
      [true, true, false, true],
    );
    const ready = ({ object }: { object: KubeObject }) =>
      (object.status as { conditions: { type: string; lastTransitionTime: string }[] }).conditions.find(
        ({ type }) => type === 'Ready',
      )?.lastTransitionTime;
    assert.deepEqual([first, second, third].map(ready), [
      '2030-01-01T00:00:01Z',
      '2030-01-01T00:00:01Z',
      '2030-01-01T00:00:04Z',
    ]);
    assert.equal((second.object.status as { url?: string }).url, undefined);
    assert.equal((third.object.status as { conditions: object[] }).conditions.length, 1);
    // What was computed from an old version must not overwrite the new one.
    await assert.rejects(applyStatus(own.client, live, say('failing', 'old'), at(5)), { status: 409 });
  });

  test('looks again when it said so, stalls, and retries what failed', async (t) => {
    const runs: Record<string, number[]> = { wait: [], stall: [], fail: [] };
    const { log, registry, stop } = await start(async ({ metadata }) => {
      runs[metadata.name]?.push(Date.now());
      if (metadata.name === 'wait') return { requeueAfterSeconds: 1.5 };
      if (metadata.name === 'stall') throw new Stalled('Nonsense', 'spec.value makes no sense');
      if (metadata.name === 'fail') throw new Error('out of luck');
    });
    t.after(stop);
    for (const name of ['wait', 'stall', 'fail']) await own.client.create(widget(name, ''));
    await eventually('the second look', () => (runs.wait?.length ?? 0) >= 2);
    const [first = 0, second = 0] = runs.wait ?? [];
    assert.ok(second - first >= 1400, `${second - first} ms`);
    assert.equal(runs.stall?.length, 1, 'not retried by itself');
    const failures = runs.fail ?? [];
    await eventually('seven tries', () => failures.length >= 7);
    const soon = failures.filter((at) => at - (failures[0] ?? 0) <= 1500);
    assert.ok(soon.length <= 12, `${soon.length} tries within 1.5 s of doubling from 5 ms`);
    await own.client.patch({ ...WIDGET, namespace: 'default', name: 'stall' }, { spec: { value: 'better' } });
    await eventually('another try after a change', () => runs.stall?.length === 2);
    assert.ok(log.lines.some(({ message }) => message === 'spec.value makes no sense'));
    assert.match(await registry.metrics(), /controller_runtime_reconcile_errors_total\{controller="widget"\} [1-9]/);
  });

  test('never runs one key twice at once, and a slow key holds up no other', async (t) => {
    let slowNow = 0;
    let most = 0;
    let quick = 0;
    const held = Promise.withResolvers<void>();
    const { controller, stop } = await start(async ({ metadata }) => {
      if (metadata.name === 'quick') quick += 1;
      if (metadata.name !== 'slow') return;
      slowNow += 1;
      most = Math.max(most, slowNow);
      await held.promise;
      slowNow -= 1;
    });
    t.after(stop);
    await own.client.create(widget('slow', ''));
    await own.client.create(widget('quick', ''));
    await eventually('the slow one runs', () => slowNow === 1);
    const before = quick;
    for (let n = 0; n < 20; n++) {
      controller.enqueue({ namespace: 'default', name: 'slow' });
      controller.enqueue({ namespace: 'default', name: 'quick' });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually('the quick one ran', () => quick > before);
    assert.equal(slowNow, 1, 'while the slow one was still at it');
    held.resolve();
    await eventually('the slow one ran again', () => slowNow === 0);
    assert.equal(most, 1);
  });

  test('stopping aborts what runs and waits for it', async () => {
    let signalled = false;
    let ended = false;
    const log = collectingLog();
    const cache = new Cache(own.client, { ...WIDGET, log });
    const running = Promise.withResolvers<void>();
    const controller = new Controller({
      name: 'stopping',
      log,
      metrics: runtimeMetrics(new Registry()),
      sources: [source({ cache, mapTo: requestFor })],
      reconcile: async (_request, signal) => {
        running.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        signalled = true;
        await new Promise((resolve) => setTimeout(resolve, 100));
        ended = true;
      },
    });
    await own.client.create(widget('stopping', ''));
    await controller.start();
    await running.promise;
    await controller.stop();
    assert.deepEqual([signalled, ended], [true, true]);
    await cache.stop();
  });

  test('events are counted rather than repeated, bounded, and hold no secret', async () => {
    const log = collectingLog();
    const recorder = new EventRecorder({ client: own.client, controller: 'example.org/test', instance: 'test-0', log });
    const about = await own.client.create(widget('eventful', ''));
    for (let n = 0; n < 10; n++) recorder.record(about, { type: 'Normal', reason: 'Done', note: 'all is well' });
    for (let n = 0; n < 60; n++)
      recorder.record(about, { type: 'Warning', reason: 'Odd', note: `number ${n} password=x${n}` });
    await recorder.flush();
    const events = (
      await own.client.list({ apiVersion: 'events.k8s.io/v1', kind: 'Event' }, { namespace: 'default' })
    ).filter(({ regarding }) => (regarding as { name: string }).name === 'eventful');
    assert.equal(events.filter(({ reason }) => reason === 'Done').length, 1);
    assert.equal(events.length, 25);
    assert.ok(events.some(({ note }) => note === 'number 0 password=[redacted]'));
    assert.deepEqual(log.lines, []);
    const { stdout } = await server.kubectl(['events', '--for', 'widgets.example.org/eventful']);
    assert.match(stdout, /Done\s+\S*\/?eventful\s+all is well/i);
  });
});
