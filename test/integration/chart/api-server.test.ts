/**
 * What the chart renders, judged by a real API server: its schema, admission (Pod Security) and authorizer (RBAC).
 * kubectl's server-side dry run goes through all of them and stores nothing.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { run } from '../../e2e/cluster/command.ts';
import { until } from '../registry/space/until.ts';
import { objects, type Rendered, type Rule, rendered, type Values } from './helm.ts';

const PROMETHEUS_OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';
const OPERATOR = 'system:serviceaccount:registry-system:try-ne-registry';
const NAMESPACES = ['registry-system', 'team-a', 'team-b', 'team-c'];

const EVERYTHING: Values = {
  replicas: 3,
  commonLabels: { team: 'platform' },
  'image.digest': `sha256:${'0'.repeat(64)}`,
  imagePullSecrets: [{ name: 'pull' }],
  'registry.image.tag': 'v1',
  extraArgs: ['--log-level=debug'],
  extraEnv: [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }],
  'serviceAccount.annotations': { 'example.com/role': 'x' },
  podAnnotations: { a: '1' },
  podLabels: { b: '2' },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'infra', operator: 'Exists', effect: 'NoSchedule' }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] }] }],
      },
    },
  },
  priorityClassName: 'system-cluster-critical',
  'podDisruptionBudget.maxUnavailable': '50%',
  'networkPolicy.metricsFrom': [{ namespaceSelector: { matchLabels: { monitoring: 'true' } } }],
  'networkPolicy.egress.enabled': true,
  'inventory.reportTo': ['registry-system/hub-reporter-here'],
  'metrics.serviceMonitor.enabled': true,
  'metrics.serviceMonitor.labels': { release: 'prometheus' },
  'metrics.prometheusRule.enabled': true,
  'metrics.dashboard.enabled': true,
};

const COMBINATIONS: Record<string, Values> = {
  'as it comes': {},
  'everything on': EVERYTHING,
  'two operators': { replicas: 2 },
  'scaled to nothing': { replicas: 0 },
  namespaced: { watchNamespaces: ['team-a', 'team-b'] },
  'namespaced, everything on': { ...EVERYTHING, watchNamespaces: ['team-a'] },
  'no definitions, no roles, an account that is there': {
    'crds.enabled': false,
    'rbac.create': false,
    'serviceAccount.create': false,
    'serviceAccount.name': 'mine',
  },
  'definitions not kept': { 'crds.keep': false },
  'no policy, no spread, no limits': {
    replicas: 2,
    'networkPolicy.enabled': false,
    topologySpread: null,
    resources: null,
    'podDisruptionBudget.enabled': false,
  },
  'other names': { fullnameOverride: 'a'.repeat(63), nameOverride: 'other' },
};

let server: BareApiServer;

before(async () => {
  server = await startBareApiServer();
  const download = await run('go', ['mod', 'download', '-json', PROMETHEUS_OPERATOR], { cwd: '/' });
  const crds = join((JSON.parse(download) as { Dir: string }).Dir, 'example/prometheus-operator-crd');
  for (const kind of ['servicemonitors', 'prometheusrules']) {
    await kubectl(['create', '-f', join(crds, `monitoring.coreos.com_${kind}.yaml`)]);
  }
  for (const name of NAMESPACES) {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await kubectl(
      ['create', '-f', '-'],
      stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }),
    );
  }
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
});

after(async () => await server?.stop());

async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await server.kubectl(args, input);
  assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

describe('the API server takes all that the chart renders', () => {
  for (const [name, values] of Object.entries(COMBINATIONS)) {
    test(name, async () => {
      const text = await rendered(values);
      const { code, stdout, stderr } = await server.kubectl(
        ['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'],
        text,
      );
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, /Warning/);
      assert.equal(stdout.trim().split('\n').length, (await objects(values)).length);
    });
  }
});

test('pods of the operator pass the restricted Pod Security profile', async () => {
  const deployment = (await objects(EVERYTHING)).find(({ kind }) => kind === 'Deployment') as Rendered;
  const { metadata, spec } = deployment.spec.template;
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'operator' }, spec };
  const create = ['create', '--dry-run=server', '-n', 'registry-system', '-f', '-'];
  // Priority classes come with the controller manager's bootstrap, which a bare API server may not have done yet.
  await kubectl(create, stringify({ ...pod, spec: { ...spec, priorityClassName: undefined } }));

  const lax = { ...spec.containers[0], securityContext: {} };
  const refused = await server.kubectl(create, stringify({ ...pod, spec: { ...spec, containers: [lax] } }));
  assert.notEqual(refused.code, 0, 'a pod without the security context must be refused, or this test shows nothing');
});

describe('rights', () => {
  const can = async (verb: string, resource: string, namespace?: string): Promise<boolean> => {
    const where = namespace === undefined ? ['--all-namespaces'] : ['-n', namespace];
    const { stdout } = await server.kubectl(['auth', 'can-i', verb, resource, '--as', OPERATOR, ...where]);
    return stdout.trim() === 'yes';
  };
  // The authorizer hears of roles and bindings by a watch: a while after they were written, each in its own time.
  const soon = async (answer: boolean, verb: string, resource: string, namespace?: string) =>
    await until(
      `the operator ${answer ? 'may' : 'may not'} ${verb} ${resource} in ${namespace ?? 'every namespace'}`,
      async () => (await can(verb, resource, namespace)) === answer,
    );
  const may = async (verb: string, resource: string, namespace?: string) => await soon(true, verb, resource, namespace);
  const install = async (values: Values) =>
    await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], await rendered(values));
  const uninstall = async (values: Values) =>
    await kubectl(['delete', '--ignore-not-found', '-f', '-'], await rendered(values));

  test('in the whole cluster: children yes, listing Secrets no', async () => {
    await install({});
    await may('list', 'registries.ne-registry.io');
    for (const kind of ['statefulsets', 'deployments', 'daemonsets']) {
      for (const verb of ['get', 'list', 'watch', 'create', 'patch', 'delete']) {
        assert.equal(await can(verb, `${kind}.apps`), true, `${verb} ${kind}`);
      }
    }
    assert.equal(await can('get', 'secrets'), true);
    for (const verb of ['list', 'watch', 'deletecollection']) assert.equal(await can(verb, 'secrets'), false, verb);
    assert.equal(await can('create', 'pods'), false);
    assert.equal(await can('create', 'clusterroles.rbac.authorization.k8s.io'), false);
    assert.equal(await can('create', 'registries.ne-registry.io'), false);
    await uninstall({ 'crds.enabled': false });
    await soon(false, 'list', 'registries.ne-registry.io');
  });

  test('in named namespaces: nothing anywhere else', async () => {
    const values = { watchNamespaces: ['team-a', 'team-b'], 'crds.enabled': false };
    await install(values);
    for (const namespace of ['team-a', 'team-b']) {
      await may('list', 'registries.ne-registry.io', namespace);
      assert.equal(await can('list', 'secrets', namespace), false, namespace);
      assert.equal(await can('get', 'secrets', namespace), true, namespace);
    }
    for (const resource of ['registries.ne-registry.io', 'secrets', 'services']) {
      assert.equal(await can('get', resource, 'team-c'), false, resource);
    }
    assert.equal(await can('list', 'registries.ne-registry.io'), false);
    assert.equal(await can('get', 'secrets', 'registry-system'), false);
    await may('create', 'leases.coordination.k8s.io', 'registry-system');
    await uninstall(values);
  });

  test('namespaced mode makes no ClusterRole and no ClusterRoleBinding', async () => {
    const kinds = (await objects({ watchNamespaces: ['team-a'] })).map(({ kind }) => kind);
    assert.deepEqual(
      kinds.filter((kind) => kind.startsWith('ClusterRole')),
      [],
    );
  });

  test('no rule has a star, and none lets Secrets be listed or watched', async () => {
    for (const values of [{}, { watchNamespaces: ['team-a'] }]) {
      const rules = (await objects(values)).flatMap((object) => object.rules ?? []);
      assert.ok(rules.length > 10);
      for (const rule of rules) assert.equal(objection(rule), undefined, JSON.stringify(rule));
    }
  });

  test('users of `view` may look at Registries, users of `edit` may change them', async () => {
    const aggregated = (await objects()).filter(({ metadata }) =>
      Object.keys(metadata.labels ?? {}).some((label) => label.includes('/aggregate-to-')),
    );
    const to = (label: string) =>
      aggregated
        .filter(({ metadata }) => metadata.labels?.[`rbac.authorization.k8s.io/aggregate-to-${label}`] === 'true')
        .flatMap((role) => role.rules ?? [])
        .flatMap((rule) => rule.verbs);
    assert.ok(!to('view').includes('create'));
    for (const verb of ['get', 'list', 'watch', 'create', 'patch', 'delete'])
      assert.ok(to('edit').includes(verb), verb);
  });
});

function objection(rule: Rule): string | undefined {
  if ([...rule.apiGroups, ...rule.resources, ...rule.verbs].includes('*')) return 'a star';
  const secrets = rule.resources.includes('secrets');
  if (secrets && rule.verbs.some((verb) => ['list', 'watch', 'deletecollection'].includes(verb))) return 'Secrets';
  return undefined;
}
