/**
 * `make demo`, as a user runs it: from nothing to a Pod, then again, then on a cluster that is given, then gone.
 * Takes the demo's own cluster, which must not be in use.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { writes } from './cluster/audit.ts';
import type { Cluster } from './cluster/cluster.ts';
import { attempt, type CommandResult } from './cluster/command.ts';
import { running } from './cluster/engine.ts';
import { DEMO_CLUSTER } from './demo/target.ts';

const DEMO = fileURLToPath(new URL('demo.ts', import.meta.url));
const isRoot = process.getuid?.() === 0;

async function demo(verb: 'up' | 'down', env: Record<string, string> = {}): Promise<CommandResult> {
  return await attempt(process.execPath, [DEMO, verb], { env: { KUBECONFIG: '', ...env }, timeoutMs: 20 * 60_000 });
}

async function cluster(): Promise<Cluster> {
  const found = await running(DEMO_CLUSTER);
  assert.ok(found !== undefined, 'the demo left a cluster');
  return found;
}

/** The image that the first run installed, so that somebody who edits a source meanwhile does not change what is tested. */
async function sameImage(on: Cluster): Promise<Record<string, string>> {
  const path = 'jsonpath={.spec.template.spec.containers[0].image}';
  return { NE_REGISTRY_IMAGE: await on.kubectl(['get', 'deployment/ne-registry', '-n', 'ne-registry', '-o', path]) };
}

/**
 * What must not change when nothing is done: identity and version of everything but Leases and Events. Of the Registry
 * its specification: its status goes on to report how much is stored.
 */
async function everything(on: Cluster): Promise<string> {
  const kinds = 'statefulsets,daemonsets,deployments,secrets,configmaps,services,pvc,pods,serviceaccounts';
  const get = async (what: string, version: string) => {
    const columns = `K:.kind,NS:.metadata.namespace,N:.metadata.name,U:.metadata.uid,V:.metadata.${version}`;
    return await on.kubectl(['get', what, '-A', `-o=custom-columns=${columns}`, '--no-headers']);
  };
  return (await get(kinds, 'resourceVersion')) + (await get('registries', 'generation'));
}

/** As `everything`, once the controllers of the cluster have nothing to add to what was just made: the demo waits for its Pod alone. */
async function settled(on: Cluster): Promise<string> {
  const end = Date.now() + 180_000;
  for (let seen = await everything(on); ; ) {
    await sleep(5000);
    const now = await everything(on);
    if (now === seen) return now;
    assert.ok(Date.now() < end, `it goes on changing:\n${seen}\nand then\n${now}`);
    seen = now;
  }
}

describe('make demo', { skip: isRoot ? false : 'needs root' }, () => {
  after(async () => void (await demo('down')));

  test('ends with a Pod that runs from an image in the Registry', { timeout: 30 * 60_000 }, async () => {
    const { code, stdout, stderr } = await demo('up');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /Endpoint\s+https:\/\//);
    assert.match(stdout, /Metrics\s+http:\/\//);
    assert.match(stdout, /Try next/);
    const pod = ['get', 'pod', 'hello', '-n', 'ne-registry-demo', '-o', 'jsonpath={.status.phase} {..image}'];
    assert.match(await (await cluster()).kubectl(pod), /^Running .*registry\.demo\.test\/demo\/hello/);
  });

  test('a second run changes nothing and is quick', { timeout: 15 * 60_000 }, async () => {
    const on = await cluster();
    const before = await settled(on);
    const since = new Date();
    const { code, stdout, stderr } = await demo('up', await sameImage(on));
    assert.equal(code, 0, stdout + stderr);
    assert.ok(Date.now() - since.getTime() < 60_000, 'within a minute');
    const kubectlWrites = (await writes(on.auditLog, { since })).filter(
      ({ userAgent, resource }) => /^(kubectl|kube\/|helm|Helm)/.test(userAgent) && !resource.startsWith('selfsubject'),
    );
    assert.deepEqual(kubectlWrites, []);
    assert.equal(await everything(on), before);
  });

  test('given a cluster where it ran before, it finds everything in place', { timeout: 15 * 60_000 }, async () => {
    const on = await cluster();
    const { code, stdout, stderr } = await demo('up', { ...(await sameImage(on)), KUBECONFIG: on.kubeconfig });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /Using your cluster/);
  });

  test('a kubeconfig that leads nowhere is an early, plain end', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ne-demo-'));
    try {
      const missing = await demo('up', { KUBECONFIG: join(folder, 'none') });
      assert.equal(missing.code, 1);
      assert.match(missing.stderr, /does not exist/);
      const file = join(folder, 'config');
      await writeFile(file, JSON.stringify(unreachable()));
      const dead = await demo('up', { KUBECONFIG: file });
      assert.equal(dead.code, 1);
      assert.match(dead.stderr, /does not answer/);
      assert.doesNotMatch(dead.stderr, /at .*\.ts:\d+/, 'no stack');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('make demo-down leaves nothing', { timeout: 15 * 60_000 }, async () => {
    const { code, stdout, stderr } = await demo('down');
    assert.equal(code, 0, stdout + stderr);
    assert.equal(await running(DEMO_CLUSTER), undefined);
  });
});

function unreachable(): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    clusters: [{ name: 'x', cluster: { server: 'https://127.0.0.1:9' } }],
    users: [{ name: 'x', user: {} }],
  };
}
