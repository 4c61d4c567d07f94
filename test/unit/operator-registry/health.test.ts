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
  state?: ContainerState;
  lastState?: ContainerState;
  scheduled?: string;
  phase?: string;
}

function pod({ ready = false, state = {}, lastState = {}, scheduled, phase = 'Running' }: PodParts): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'main-0', namespace: 'registry', creationTimestamp: '2026-01-01T00:00:00Z' },
    status: {
      phase,
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False' },
        scheduled === undefined
          ? { type: 'PodScheduled', status: 'True' }
          : { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: scheduled },
      ],
      containerStatuses: [{ name: 'registry', ready, state, lastState }],
    },
  };
}

const running = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const look = { workload, claim, incidents: [] as Incident[], image: 'a/b:1' };

test('a ready pod of the newest specification is well', () => {
  assert.equal(judgeWorkload({ ...look, pods: [pod({ ready: true, state: running })] }), undefined);
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
      const standing = judgeWorkload({ ...look, ...seen });
      assert.deepEqual([standing?.state, standing?.reason], [state, reason]);
      assert.match(standing?.message ?? '', message);
    });
  }
});

test('a pod on its way out does not count', () => {
  const leaving = pod({ ready: true, state: running });
  leaving.metadata.deletionTimestamp = '2026-01-01T00:01:00Z';
  assert.equal(judgeWorkload({ ...look, pods: [leaving] })?.reason, 'PodStarting');
});

test('endless last words are cut', () => {
  const words = pod({ state: { terminated: { exitCode: 1, message: 'x'.repeat(5000) } } });
  assert.ok((judgeWorkload({ ...look, pods: [words] })?.message.length ?? 0) < 900);
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
