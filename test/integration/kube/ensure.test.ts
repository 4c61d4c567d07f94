import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { ensure } from '../../../src/operator/kube/ensure.ts';
import { type KubeObject, refOf } from '../../../src/operator/kube/object.ts';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { type CountingClient, configMap, countingClient } from './setup.ts';

const namespace = 'default';

function deployment(image: string): KubeObject {
  const labels = { app: 'a' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a', namespace, labels: {}, annotations: undefined as never },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          hostNetwork: false,
          imagePullSecrets: [],
          nodeSelector: {},
          securityContext: {},
          affinity: undefined,
          volumes: [{ name: 'scratch', emptyDir: {} }],
          containers: [
            {
              name: 'x',
              image,
              env: [],
              args: ['--one', '--two'],
              // The API server writes these as "1" and "1Gi".
              resources: { limits: { cpu: '1000m', memory: '1024Mi' }, requests: {} },
              ports: [{ containerPort: 80 }],
              volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
            },
          ],
        },
      },
    },
  };
}

function networkPolicy(ingress: object[]): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'a', namespace },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress },
  };
}

const FROM_FRIENDS = {
  from: [{ podSelector: { matchLabels: { friend: 'yes' } } }, { ipBlock: { cidr: '10.0.0.0/8' } }],
  ports: [{ port: 5000 }],
};

const KINDS: KubeObject[] = [
  deployment('one'),
  networkPolicy([FROM_FRIENDS]),
  configMap('a', { key: 'value' }),
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a', namespace }, stringData: { password: 'not one' } },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'a', namespace },
    spec: {
      selector: { app: 'a' },
      ports: [
        { name: 'http', port: 80, targetPort: 'http' },
        { name: 'b', port: 81 },
      ],
    },
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'a', namespace, finalizers: ['example.org/keep'] },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'a', namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } } },
  },
  {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'a', namespace },
    spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'a' } } },
  },
];

describe('ensure, against a real API server', () => {
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
  beforeEach(async () => {
    for (const kind of ['Deployment', 'NetworkPolicy']) {
      const apiVersion = kind === 'Deployment' ? 'apps/v1' : 'networking.k8s.io/v1';
      await own.client.delete({ apiVersion, kind, name: 'a', namespace });
    }
  });

  const edit = async (object: KubeObject, patch: unknown, type = 'json'): Promise<void> => {
    const { apiVersion, kind, metadata } = object;
    const args = ['patch', `${kind}.${apiVersion.includes('/') ? apiVersion.replace(/(.*)\/(.*)/, '$2.$1') : ''}`];
    const { code, stderr } = await server.kubectl([
      ...args.map((arg) => arg.replace(/\.$/, '')),
      metadata.name,
      `--type=${type}`,
      `--patch=${JSON.stringify(patch)}`,
    ]);
    assert.equal(code, 0, stderr);
  };
  const again = async (object: KubeObject) => await ensure(own.client, object, await own.client.get(refOf(object)));

  for (const object of KINDS) {
    test(`a converged ${object.kind} gets no write in a hundred rounds`, async () => {
      const first = await ensure(own.client, object, undefined);
      assert.equal(first.written, true);
      const before = own.writes();
      for (let round = 0; round < 100; round++) assert.equal((await again(object)).written, false);
      assert.equal(own.writes(), before);
    });
  }

  test('what is sent is what was rendered: `from` of a NetworkPolicy stays', async () => {
    const { object } = await ensure(own.client, networkPolicy([FROM_FRIENDS]), undefined);
    const [rule] = (object.spec as { ingress: { from: unknown }[] }).ingress;
    assert.deepEqual(rule?.from, FROM_FRIENDS.from);
  });

  test('reverts an edit of a value', async () => {
    await ensure(own.client, deployment('good'), undefined);
    await edit(deployment(''), [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'evil' }]);
    const { object, written } = await again(deployment('good'));
    assert.equal(written, true);
    assert.match(JSON.stringify(object.spec), /"image":"good"/);
    assert.equal((await again(deployment('good'))).written, false);
  });

  test('brings back what was removed', async () => {
    await ensure(own.client, deployment('good'), undefined);
    await edit(deployment(''), [{ op: 'remove', path: '/spec/template/spec/containers/0/args' }]);
    const { object, written } = await again(deployment('good'));
    assert.equal(written, true);
    assert.match(JSON.stringify(object.spec), /"--two"/);
  });

  test('brings back a boolean whose absence means the opposite', async () => {
    await ensure(own.client, deployment('good'), undefined);
    await edit(deployment(''), [{ op: 'remove', path: '/spec/template/spec/automountServiceAccountToken' }]);
    assert.equal((await again(deployment('good'))).written, true);
  });

  test('closes a NetworkPolicy that was opened by hand', async () => {
    for (const rules of [[FROM_FRIENDS], []]) {
      await ensure(own.client, networkPolicy(rules), await own.client.get(refOf(networkPolicy([]))));
      await edit(networkPolicy([]), { spec: { ingress: [{}] } }, 'merge');
      const { object, written } = await again(networkPolicy(rules));
      assert.equal(written, true);
      const left = (object.spec as { ingress?: unknown[] }).ingress ?? [];
      assert.equal(left.length, rules.length);
      assert.doesNotMatch(JSON.stringify(left), /\{\}/);
      assert.equal((await again(networkPolicy(rules))).written, false);
    }
  });

  test('closes a NetworkPolicy whose peers were widened by hand', async () => {
    await ensure(own.client, networkPolicy([FROM_FRIENDS]), undefined);
    await edit(networkPolicy([]), [
      { op: 'add', path: '/spec/ingress/0/from/0/namespaceSelector', value: {} },
      { op: 'add', path: '/spec/ingress/0/ports/-', value: { port: 22 } },
    ]);
    const { object, written } = await again(networkPolicy([FROM_FRIENDS]));
    assert.equal(written, true);
    assert.doesNotMatch(JSON.stringify(object.spec), /namespaceSelector|22/);
  });

  test('what is no longer rendered goes', async () => {
    await ensure(own.client, configMap('shrinking', { keep: '1', go: '2' }), undefined);
    const { object, written } = await again(configMap('shrinking', { keep: '1' }));
    assert.equal(written, true);
    assert.deepEqual(object.data, { keep: '1' });
  });

  test('what others own stays, and is no reason to write', async () => {
    await ensure(own.client, deployment('good'), undefined);
    const { code } = await server.kubectl(['scale', 'deployment/a', '--replicas=3']);
    assert.equal(code, 0);
    await edit(deployment(''), { metadata: { labels: { team: 'b' } } }, 'merge');
    const { object, written } = await again(deployment('good'));
    assert.equal(written, false);
    assert.equal((object.spec as { replicas: number }).replicas, 3);
    const changed = await again(deployment('better'));
    assert.equal(changed.written, true);
    assert.equal((changed.object.spec as { replicas: number }).replicas, 3);
    assert.equal(changed.object.metadata.labels?.team, 'b');
  });

  test('an object restored without its managed fields becomes ours again', async () => {
    await ensure(own.client, configMap('restored', { a: '1' }), undefined);
    await edit(configMap('restored', {}), [{ op: 'replace', path: '/metadata/managedFields', value: [{}] }]);
    assert.equal((await again(configMap('restored', { a: '1' }))).written, true);
    assert.equal((await again(configMap('restored', { a: '1' }))).written, false);
  });

  test('a CRD keeps enum, default and x-kubernetes-validations', async () => {
    const size = {
      type: 'string',
      enum: ['s', 'l'],
      default: 's',
      'x-kubernetes-validations': [{ rule: 'self != "x"' }],
    };
    const schema = { openAPIV3Schema: { type: 'object', properties: { size } } };
    const crd: KubeObject = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'widgets.example.org' },
      spec: {
        group: 'example.org',
        scope: 'Namespaced',
        names: { kind: 'Widget', plural: 'widgets' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    };
    const { object } = await ensure(own.client, crd, undefined);
    const [version] = (object.spec as { versions: { schema: typeof schema }[] }).versions;
    assert.deepEqual(version?.schema.openAPIV3Schema.properties.size, size);
    assert.equal((await again(crd)).written, false);
  });
});
