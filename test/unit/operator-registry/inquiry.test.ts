/** What a registry's pods say of themselves decides whether it serves as specified. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pod } from '../../../src/operator/registry/health.ts';
import { inquire, readinessOf } from '../../../src/operator/registry/inquiry.ts';
import { siteOf } from '../../../src/operator/registry/site.ts';
import { type Findings, statusOf } from '../../../src/operator/registry/status.ts';
import type { AdminTarget } from '../../../src/operator/registry-client/request.ts';
import { registry } from './sample.ts';

function pod(podIP: string, { ready = true, started = true, leaving = false } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podIP, namespace: 'registry', ...(leaving && { deletionTimestamp: '2026-01-01T00:00:00Z' }) },
    status: {
      podIP,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [{ name: 'registry', started }],
    },
  };
}

const confirmed = { type: 'Ready', status: 'True', observedGeneration: 3, reason: 'Serving', message: '' } as const;

interface Circumstances {
  served?: boolean;
  pods?: Pod[];
  /** What the pod of that address says is wrong with its newest settings. */
  fault?: [string, string];
}

async function ask(
  generations: Record<string, number | Error>,
  { served = false, pods = [], fault }: Circumstances = {},
) {
  const resource = registry();
  if (served) {
    resource.status = { conditions: [{ ...confirmed, lastTransitionTime: '2026-01-01T00:00:00Z' }] };
  }
  const site = siteOf({ registry: resource, defaultImage: 'a/b:1' });
  const asked: string[] = [];
  const found: Findings = { site, warnings: [] };
  const answer = async ({ address }: AdminTarget) => {
    asked.push(address);
    const generation = generations[address] ?? new Error('nobody is there');
    if (generation instanceof Error) throw generation;
    const settingsFault = fault?.[0] === address ? { settingsFault: fault[1] } : {};
    return { version: '1', generation, lastBackup: '2026-01-01T03:00:00.123Z', ...settingsFault };
  };
  const everybody = [...Object.keys(generations).map((address) => pod(address)), ...pods];
  const inquiry = { ask: answer, site, signal: AbortSignal.timeout(1000) };
  const standing = await inquire(inquiry, found, { pods: everybody, served: undefined, key: '' });
  return { standing, found, asked, status: statusOf(resource, standing, found) as { lastBackup?: string } };
}

describe('a registry serves as specified', () => {
  test('when every pod that gets requests runs these settings', async () => {
    const { standing, status } = await ask({ '10.0.0.1': 3, '10.0.0.2': 3 });
    assert.deepEqual([standing.state, standing.reason], ['ready', 'Serving']);
    assert.equal(status.lastBackup, '2026-01-01T03:00:00Z');
  });

  test('not while one of them still has the earlier ones', async () => {
    const { standing } = await ask({ '10.0.0.1': 3, '10.0.0.2': 2 });
    assert.deepEqual([standing.state, standing.reason], ['progressing', 'LoadingSettings']);
    assert.match(standing.message, /generation 2/);
  });

  test('not while one of them cannot use what is there, and the message says why', async () => {
    const fault: [string, string] = ['10.0.0.2', '/etc/ne-registry/users/1/htpasswd line 2: a line is "name:hash"'];
    const { standing } = await ask({ '10.0.0.1': 3, '10.0.0.2': 3 }, { fault, served: true });
    assert.deepEqual([standing.state, standing.reason], ['failing', 'SettingsRefused']);
    assert.match(standing.message, /htpasswd line 2/);
  });

  test('whatever pods say that start, or leave', async () => {
    const others = [pod('10.0.0.8', { ready: false }), pod('10.0.0.9', { leaving: true })];
    const { standing, asked } = await ask({ '10.0.0.1': 3 }, { pods: others });
    assert.deepEqual([standing.state, asked], ['ready', ['10.0.0.1']]);
  });

  test('until one is silent; one that served before is only warned of', async () => {
    const silent = { '10.0.0.1': 3, '10.0.0.2': new Error('timeout') };
    assert.equal((await ask(silent)).standing.reason, 'WaitingForRegistry');
    const { standing, found } = await ask(silent, { served: true });
    assert.equal(standing.state, 'ready');
    assert.deepEqual(
      found.warnings.map(({ type }) => type),
      ['AdminReachable'],
    );
    assert.equal(found.report?.generation, 3);
  });
});

test('only a pod that was up and is not ready is asked why', async () => {
  const asked: string[] = [];
  const reason = async (address: string) => {
    asked.push(address);
    return 'the metadata cannot be read';
  };
  const look = (...pods: Pod[]) => readinessOf(reason, pods, AbortSignal.timeout(1000));
  assert.equal(await look(pod('1'), pod('2', { ready: false, started: false })), undefined);
  assert.equal(await look(pod('1'), pod('2', { ready: false })), 'the metadata cannot be read');
  assert.deepEqual(asked, ['2']);
  const nobody = async () => Promise.reject(new Error('refused'));
  assert.equal(await readinessOf(nobody, [pod('2', { ready: false })], AbortSignal.timeout(1000)), undefined);
});
