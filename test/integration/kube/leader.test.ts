import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Registry } from 'prom-client';
import type { KubeClient } from '../../../src/operator/kube/client.ts';
import { fence } from '../../../src/operator/runtime/fence.ts';
import { LeaderElector } from '../../../src/operator/runtime/leader.ts';
import type { Lease } from '../../../src/operator/runtime/lease.ts';
import { runtimeMetrics } from '../../../src/operator/runtime/metrics.ts';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { type CountingClient, collectingLog, configMap, countingClient, eventually } from './setup.ts';

// The proportions of 15/10/2, not half as long.
const TIMES = { leaseSeconds: 6, renewSeconds: 4, retrySeconds: 0.8 };

/** A client that can be cut off from the API server, as by a broken network. */
function breakable(client: KubeClient): KubeClient & { broken: boolean } {
  const state = { broken: false };
  const guarded = new Proxy(client, {
    get(target, name) {
      if (name === 'broken') return state.broken;
      const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) =>
        state.broken ? Promise.reject(new Error('network unreachable')) : method.apply(target, args);
    },
    set(_target, name, value) {
      if (name === 'broken') state.broken = value as boolean;
      return true;
    },
  });
  return guarded as KubeClient & { broken: boolean };
}

describe('leader election, against a real API server', () => {
  let server: BareApiServer;
  let own: CountingClient;
  before(async () => {
    server = await startBareApiServer();
    own = countingClient(server);
  });
  after(async () => {
    own.close();
    await server.stop();
  });

  /** Somebody who wants to lead, and the times at which they did. */
  function candidate(lease: string, identity: string) {
    const client = breakable(own.client);
    const registry = new Registry();
    const log = collectingLog();
    const spans: { from: number; to: number }[] = [];
    const options = { client, namespace: 'default', name: lease, identity, log, metrics: runtimeMetrics(registry) };
    const elector = new LeaderElector({ ...options, ...TIMES });
    const lead = async (signal: AbortSignal): Promise<void> => {
      const span = { from: Date.now(), to: Number.POSITIVE_INFINITY };
      spans.push(span);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      span.to = Date.now();
    };
    const running = () => elector.run(lead).catch((error: Error) => error);
    const gauge = async () =>
      (await registry.getSingleMetric('leader_election_master_status')?.get())?.values[0]?.value;
    return { client, elector, spans, running, gauge };
  }

  const leaseOf = (name: string) =>
    own.client.get<Lease>({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'default', name });

  test('one leads, and the other follows at once when the first gives the lease back', async (t) => {
    const [a, b] = [candidate('given-back', 'a'), candidate('given-back', 'b')];
    t.after(() => Promise.all([a.elector.stop(), b.elector.stop()]));
    void a.running();
    await eventually('a leads', () => a.spans.length === 1);
    void b.running();
    assert.equal(await a.gauge(), 1);
    assert.equal(await b.gauge(), 0);
    const held = await leaseOf('given-back');
    assert.equal(held?.spec?.holderIdentity, 'a');
    assert.match(held?.spec?.renewTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await new Promise((resolve) => setTimeout(resolve, TIMES.leaseSeconds * 1200));
    assert.equal(b.spans.length, 0, 'renewals keep the other out');
    const stopped = Date.now();
    await a.elector.stop();
    assert.equal(await a.gauge(), 0);
    await eventually('b leads', () => b.spans.length === 1);
    assert.ok(Date.now() - stopped < TIMES.leaseSeconds * 1000, 'well before the lease would have ended');
    assert.ok((b.spans[0]?.from ?? 0) >= (a.spans[0]?.to ?? Number.POSITIVE_INFINITY), 'never both at once');
    assert.equal((await leaseOf('given-back'))?.spec?.leaseTransitions, 2);
  });

  test('a leader that is cut off stops before another may start, and the other starts within the lease time', async (t) => {
    const [a, b] = [candidate('cut-off', 'a'), candidate('cut-off', 'b')];
    t.after(() => Promise.all([a.elector.stop(), b.elector.stop()]));
    const ended = a.running();
    await eventually('a leads', () => a.spans.length === 1);
    void b.running();
    const fenced = fence(a.client, () => a.elector.leads());
    await fenced.create(configMap('while-leading', {}));
    a.client.broken = true;
    const cutAt = Date.now();
    await eventually('b leads', () => b.spans.length === 1);
    const error = await ended;
    assert.match(String(error), /could not be renewed for 4 s/);
    const tookMs = (b.spans[0]?.from ?? 0) - cutAt;
    assert.ok(tookMs < (TIMES.leaseSeconds + 2 * TIMES.retrySeconds + 4) * 1000, `took ${tookMs} ms`);
    assert.ok((b.spans[0]?.from ?? 0) > (a.spans[0]?.to ?? Number.POSITIVE_INFINITY), 'never both at once');
    a.client.broken = false;
    await assert.rejects(fenced.create(configMap('too-late', {})), /does not lead/);
    assert.equal(
      await own.client.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'too-late' }),
      undefined,
    );
  });

  test('of many that want to lead at once, one does', async (t) => {
    const many = Array.from({ length: 6 }, (_, n) => candidate('crowded', `c${n}`));
    t.after(() => Promise.all(many.map(({ elector }) => elector.stop())));
    for (const one of many) void one.running();
    await eventually('somebody leads', () => many.some(({ spans }) => spans.length === 1));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(many.filter(({ spans }) => spans.length > 0).length, 1);
  });

  test('survives a crash of the API server that is shorter than its patience', async (t) => {
    const slow = new LeaderElector({
      client: own.client,
      namespace: 'default',
      name: 'crash',
      identity: 'slow',
      log: collectingLog(),
      metrics: runtimeMetrics(new Registry()),
      leaseSeconds: 130,
      renewSeconds: 120,
      retrySeconds: 0.5,
    });
    t.after(() => slow.stop());
    let aborted = false;
    void slow.run(async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      aborted = true;
    });
    await eventually('it leads', () => slow.leads());
    const renewed = (await leaseOf('crash'))?.spec?.renewTime ?? '';
    await server.crash();
    await server.restart();
    await eventually('a renewal', async () => ((await leaseOf('crash'))?.spec?.renewTime ?? '') > renewed);
    assert.equal(aborted, false);
    assert.equal(slow.leads(), true);
  });
});
