import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Workload } from '../../../src/operator/registry/health.ts';
import type { RegistryStatus } from '../../../src/operator/registry/resource.ts';
import type { Findings } from '../../../src/operator/registry/status.ts';
import { statusOf } from '../../../src/operator/registry/status.ts';
import type { View } from '../../../src/operator/registry/view.ts';
import { withWorkers } from '../../../src/operator/registry/workers.ts';
import { registry, site } from './sample.ts';

const serving = { state: 'ready', reason: 'Serving', message: 'serving' } as const;
const deployment = (readyReplicas: number): Workload => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'main-workers', namespace: 'registry', generation: 1 },
  spec: { replicas: 1 },
  status: { observedGeneration: 1, replicas: 1, readyReplicas, updatedReplicas: 1 },
});
const pod = (ready: boolean): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'main-workers-a',
    namespace: 'registry',
    labels: { 'ne-registry.io/registry': 'main', 'app.kubernetes.io/component': 'workers' },
  },
  status: {
    phase: 'Running',
    podIP: '10.0.0.7',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containerStatuses: [{ name: 'workers', ready, started: true, state: { running: {} } }],
  },
});

async function look(
  pods: Pod[],
  { confirmed = true, standing = serving as Parameters<typeof withWorkers>[2]['standing'] } = {},
) {
  const of = site();
  const conditions = [
    {
      type: 'Ready',
      status: 'True' as const,
      reason: 'Serving',
      message: '',
      observedGeneration: 3,
      lastTransitionTime: '',
    },
  ];
  const known = confirmed ? { ...of, registry: { ...of.registry, status: { conditions } } } : of;
  const found: Findings = { warnings: [] };
  const parts = {
    client: { list: async () => [] },
    site: known,
    view: { pods: { list: () => pods } } as unknown as View,
    askReadiness: async () => 'no database',
    signal: new AbortController().signal,
  } as unknown as Parameters<typeof withWorkers>[0];
  const workers = deployment(pods.filter(({ status }) => status?.conditions?.[0]?.status === 'True').length);
  const whole = await withWorkers(parts, found, { workers, standing });
  return { whole, found };
}

test('workers that are ready are a condition, and add nothing to where the registry stands', async () => {
  const { whole, found } = await look([pod(true)]);
  assert.deepEqual(whole, serving);
  assert.deepEqual(
    found.warnings.map(({ type, status }) => [type, status]),
    [['WorkersReady', 'True']],
  );
});

test('what serves goes on being ready while its workers are not, and says why they are not', async () => {
  const { whole, found } = await look([pod(false)]);
  assert.equal(whole.state, 'ready');
  assert.match(whole.message, /^serving, but nobody replicates or reclaims: .* because no database$/);
  assert.deepEqual(
    found.warnings.map(({ status, reason }) => [status, reason]),
    [['False', 'NotWorking']],
  );
});

test('who waits for a new specification waits for its workers too', async () => {
  const { whole } = await look([], { confirmed: false });
  assert.deepEqual([whole.state, whole.reason], ['progressing', 'StartingWorkers']);
});

test('a registry that does not serve is told of first', async () => {
  const standing = { state: 'failing', reason: 'PodFailing', message: 'x' } as const;
  const { whole, found } = await look([pod(false)], { standing });
  assert.deepEqual(whole, standing);
  assert.equal(found.warnings.length, 1);
});

test('the status counts them, and stops counting where there are none any more', async () => {
  const { found } = await look([pod(true)]);
  const counted = statusOf(registry(), serving, { ...found, workload: deployment(1) });
  assert.deepEqual((counted as RegistryStatus).workers, { desired: 1, ready: 1, updated: 1 });
  const { workers: _, ...none } = { ...found, workload: deployment(1) };
  const before = { ...registry(), status: { workers: { ready: 1 } } };
  assert.equal((statusOf(before, serving, none) as RegistryStatus).workers, undefined);
});
