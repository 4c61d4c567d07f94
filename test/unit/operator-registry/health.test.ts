import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ContainerState,
  type Incident,
  judgeWorkload,
  type Pod,
  type Workload,
} from '../../../src/operator/registry/health.ts';
import { judgeAgents } from '../../../src/operator/registry/node-access.ts';

const workload: Workload = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'main', namespace: 'registry', generation: 2 },
  status: {
    observedGeneration: 2,
    replicas: 1,
    readyReplicas: 1,
    updatedReplicas: 1,
    currentRevision: 'a',
    updateRevision: 'a',
  },
};
const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'main-data', namespace: 'registry' },
  spec: { storageClassName: 'fast' },
  status: { phase: 'Bound' },
};

interface PodParts {
  ready?: boolean;
  started?: boolean;
  name?: string;
  /** Of a Deployment's pod. */
  revision?: string;
  created?: string;
  state?: ContainerState;
  lastState?: ContainerState;
  scheduled?: string;
  phase?: string;
}

function pod({ ready = false, state = {}, lastState = {}, scheduled, phase = 'Running', ...rest }: PodParts): Pod {
  const { started = ready, name = 'main-0', revision, created = '2026-01-01T00:00:00Z' } = rest;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'registry',
      creationTimestamp: created,
      ...(revision === undefined ? {} : { labels: { 'pod-template-hash': revision } }),
    },
    status: {
      phase,
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False' },
        scheduled === undefined
          ? { type: 'PodScheduled', status: 'True' }
          : { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: scheduled },
      ],
      containerStatuses: [{ name: 'registry', ready, started, state, lastState }],
    },
  };
}

const running = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const look = {
  of: 'registry' as const,
  workload,
  claim,
  incidents: [] as Incident[],
  image: 'a/b:1',
  confirmed: false,
};

test('a ready pod of the newest specification is well', () => {
  assert.deepEqual(judgeWorkload({ ...look, pods: [pod({ ready: true, state: running })] }), {});
});

describe('what is wrong is said in words', () => {
  const cases: [string, Partial<typeof look> & { pods: Pod[] }, 'failing' | 'progressing', string, RegExp][] = [
    [
      'an image that cannot be pulled',
      { pods: [pod({ state: { waiting: { reason: 'ErrImagePull', message: 'not found' } } })] },
      'failing',
      'ImagePullFailed',
      /image a\/b:1 cannot be pulled: not found/,
    ],
    [
      'a pod that ends, with its last words',
      {
        pods: [
          pod({
            state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
            lastState: { terminated: { exitCode: 1, reason: 'Error', message: 'the data directory\nis not writable' } },
          }),
        ],
      },
      'failing',
      'PodFailing',
      /exit code 1.*the data directory \| is not writable/,
    ],
    [
      'a pod that ran out of memory',
      { pods: [pod({ state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } })] },
      'failing',
      'PodFailing',
      /raise spec\.resources\.limits\.memory/,
    ],
    [
      'a pod that no node takes',
      { pods: [pod({ scheduled: '0/3 nodes are available' })] },
      'failing',
      'PodUnschedulable',
      /0\/3 nodes/,
    ],
    [
      'a claim without a volume',
      {
        pods: [pod({ scheduled: 'unbound' })],
        claim: { ...claim, status: { phase: 'Pending' } },
        incidents: [{ about: 'claim', type: 'Warning', reason: 'ProvisioningFailed', message: 'no space in the pool' }],
      },
      'failing',
      'VolumeClaimPending',
      /main-data gets no volume: no space in the pool/,
    ],
    [
      'a pod that no node takes, whose claim waits for it',
      { pods: [pod({ scheduled: '0/3 nodes match' })], claim: { ...claim, status: { phase: 'Pending' } } },
      'failing',
      'PodUnschedulable',
      /0\/3 nodes match/,
    ],
    [
      'a claim that is still being provisioned',
      {
        pods: [pod({ scheduled: 'pod has unbound immediate PersistentVolumeClaims' })],
        claim: { ...claim, status: { phase: 'Pending' } },
      },
      'progressing',
      'VolumeClaimPending',
      /main-data has no volume yet/,
    ],
    [
      'a lost volume',
      { pods: [pod({ scheduled: 'lost' })], claim: { ...claim, status: { phase: 'Lost' } } },
      'failing',
      'VolumeClaimLost',
      /main-data is gone/,
    ],
    [
      'a pod that the API server refuses',
      {
        pods: [],
        incidents: [{ about: 'workload', type: 'Warning', reason: 'FailedCreate', message: 'violates PodSecurity' }],
      },
      'failing',
      'PodRefused',
      /violates PodSecurity/,
    ],
    [
      'a volume that cannot be mounted',
      {
        pods: [pod({ phase: 'Pending', state: { waiting: { reason: 'ContainerCreating' } } })],
        incidents: [{ about: 'pod', type: 'Warning', reason: 'FailedMount', message: 'secret "x" not found' }],
      },
      'failing',
      'VolumeMountFailed',
      /secret "x" not found/,
    ],
    ['a pod that starts', { pods: [pod({ state: running })] }, 'progressing', 'PodStarting', /starting/],
    ['no pod yet', { pods: [] }, 'progressing', 'PodStarting', /waiting/],
    [
      'a roll-out',
      {
        pods: [pod({ ready: true, state: running })],
        workload: { ...workload, status: { ...workload.status, updatedReplicas: 0, updateRevision: 'b' } },
      },
      'progressing',
      'RollingOut',
      /new specification/,
    ],
  ];
  for (const [what, seen, state, reason, message] of cases) {
    test(what, () => {
      const { standing } = judgeWorkload({ ...look, ...seen });
      assert.deepEqual([standing?.state, standing?.reason], [state, reason]);
      assert.match(standing?.message ?? '', message);
    });
  }
});

test('a pod on its way out does not count', () => {
  const leaving = pod({ ready: true, state: running });
  leaving.metadata.deletionTimestamp = '2026-01-01T00:01:00Z';
  assert.equal(judgeWorkload({ ...look, pods: [leaving] }).standing?.reason, 'PodStarting');
});

test("what is wrong with the workers is said of theirs, not of the registry's pod", () => {
  const theirs = { ...look, of: 'workers' as const, claim: undefined };
  const ended = { terminated: { exitCode: 1, reason: 'Error', message: 'no bucket' } };
  const crash = pod({ state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: ended });
  assert.match(
    judgeWorkload({ ...theirs, pods: [crash] }).standing?.message ?? '',
    /^the workers' pod ended with exit code 1 \(Error\): no bucket$/,
  );
  const said = judgeWorkload({ ...theirs, pods: [pod({ state: running, started: true })], said: 'no database' });
  assert.deepEqual(said.standing, {
    state: 'failing',
    reason: 'NotWorking',
    message: "the workers' pod runs and is not ready, because no database",
  });
  assert.equal(judgeWorkload({ ...theirs, pods: [] }).standing?.message, "waiting for the workers' pod");
});

test('endless last words are cut', () => {
  const words = pod({ state: { terminated: { exitCode: 1, message: 'x'.repeat(5000) } } });
  assert.ok((judgeWorkload({ ...look, pods: [words] }).standing?.message.length ?? 0) < 900);
});

describe('of several replicas', () => {
  const up = (name: string, more: PodParts = {}) => pod({ name, ready: true, state: running, ...more });
  const status = { observedGeneration: 2, replicas: 3, readyReplicas: 3, updatedReplicas: 3 };
  const deployment: Workload = { ...workload, kind: 'Deployment', spec: { replicas: 3 }, status };
  const ready = (readyReplicas: number): Workload => ({ ...deployment, status: { ...status, readyReplicas } });
  const seen = { ...look, workload: deployment, claim: undefined };
  const crashing = pod({
    name: 'c',
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { exitCode: 1, reason: 'Error', message: 'bucket "images" does not exist' } },
  });

  test('all ready is well', () => {
    assert.deepEqual(judgeWorkload({ ...seen, pods: [up('a'), up('b'), up('c')] }), {});
  });

  test('the loss of one takes nothing from a registry that served, and says which and why', () => {
    const verdict = judgeWorkload({ ...seen, workload: ready(2), confirmed: true, pods: [up('a'), up('b'), crashing] });
    assert.equal(verdict.standing, undefined);
    assert.match(verdict.degraded ?? '', /2 of 3 replicas are ready: .*bucket "images" does not exist/);
  });

  test('before they all were ready once, it is not', () => {
    const pods = [up('a'), pod({ name: 'b', state: running }), pod({ name: 'c', state: running })];
    const { standing } = judgeWorkload({ ...seen, workload: ready(1), pods });
    assert.deepEqual([standing?.state, standing?.message], ['progressing', '1 of 3 replicas are ready']);
    const failing = judgeWorkload({ ...seen, workload: ready(2), pods: [up('a'), up('b'), crashing] });
    assert.equal(failing.standing?.reason, 'PodFailing');
  });

  test('none ready is failing in the words of the registry, also where it served before', () => {
    const running_ = ['a', 'b', 'c'].map((name) => pod({ name, started: true, state: running }));
    const said = 'the metadata cannot be read: connect ECONNREFUSED 10.0.0.7:5432';
    const { standing } = judgeWorkload({ ...seen, workload: ready(0), confirmed: true, pods: running_, said });
    assert.deepEqual([standing?.state, standing?.reason], ['failing', 'NotServing']);
    assert.match(standing?.message ?? '', /ECONNREFUSED 10\.0\.0\.7:5432/);
  });

  test('how one of them ended before does not hide what they say now', () => {
    const lastState = { terminated: { exitCode: 137, reason: 'Error' } };
    const killedOnce = pod({ name: 'a', started: true, state: running, lastState });
    const said = 'the metadata cannot be read';
    const parts = { ...seen, workload: ready(0), confirmed: true, pods: [killedOnce] };
    assert.equal(judgeWorkload({ ...parts, said }).standing?.reason, 'NotServing');
    assert.equal(judgeWorkload(parts).standing?.reason, 'PodFailing', 'one that says nothing may be crashing again');
  });

  test('a roll-out counts the new ones, and what is wrong with a new one is what is told', () => {
    const rolling = { ...deployment, status: { ...status, replicas: 4, updatedReplicas: 1 } };
    const old = ['a', 'b', 'c'].map((name) => up(name, { revision: '1' }));
    const fresh = { revision: '2', created: '2026-01-02T00:00:00Z' };
    const going = judgeWorkload({ ...seen, workload: rolling, pods: [...old, up('d', fresh)], confirmed: true });
    assert.deepEqual([going.standing?.reason, going.standing?.state], ['RollingOut', 'progressing']);
    assert.match(going.standing?.message ?? '', /1 of 3 replicas are of the new/);
    const broken = { ...crashing, metadata: pod({ name: 'd', ...fresh }).metadata };
    assert.equal(judgeWorkload({ ...seen, workload: rolling, pods: [...old, broken] }).standing?.reason, 'PodFailing');
    const healed = [{ ...crashing, metadata: pod({ name: 'a', revision: '1' }).metadata }, up('d', fresh)];
    assert.equal(judgeWorkload({ ...seen, workload: rolling, pods: healed }).standing?.reason, 'RollingOut');
  });

  test('what refuses their pods is told by the Deployment', () => {
    const conditions = [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }];
    const { standing } = judgeWorkload({ ...seen, workload: { ...deployment, status: { conditions } }, pods: [] });
    assert.match(standing?.message ?? '', /refused: exceeded quota/);
  });
});

test('agents are starting at first and failing later, and a complaint shows at once', () => {
  const created = Date.UTC(2026, 0, 1);
  const agents = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'a', generation: 1, creationTimestamp: new Date(created).toISOString() },
    status: { observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 1 },
  };
  const waiting = pod({ state: { waiting: { reason: 'ContainerCreating' } } });
  const early = judgeAgents(agents, [waiting], new Date(created + 5000));
  assert.deepEqual([early.starting, early.warning.status], [true, 'Unknown']);
  const late = judgeAgents(agents, [waiting], new Date(created + 600_000));
  assert.deepEqual([late.starting, late.warning.status], [false, 'False']);
  const refused = judgeAgents(agents, [], new Date(created + 20_000));
  assert.match(refused.warning.message, /Pod Security/);
  const crashed = pod({
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { message: 'hosts.toml is theirs' } },
  });
  assert.match(judgeAgents(agents, [crashed], new Date(created + 1000)).warning.message, /hosts\.toml is theirs/);
  const done = { ...agents, status: { ...agents.status, numberReady: 2 } };
  assert.equal(judgeAgents(done, [], new Date(created)).warning.status, 'True');
});
