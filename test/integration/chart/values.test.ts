/** What the chart accepts, and what it makes of it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { chartDefinitions, currentDefinitions } from '../../../build/chart.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { createJobMetrics } from '../../../src/registry/jobs/metrics.ts';
import { recoveryMetrics } from '../../../src/registry/recovery/metrics.ts';
import { CHART, helm, objects, type Rendered, rendered } from './helm.ts';

const manifest = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

async function one(kind: string, values = {}): Promise<Rendered> {
  const found = (await objects(values)).filter((object) => object.kind === kind);
  assert.equal(found.length, 1, `one ${kind}`);
  return found[0] as Rendered;
}

test('helm lint has nothing to say', async () => {
  const { code, stdout, stderr } = await helm('lint');
  assert.equal(code, 0, stdout + stderr);
});

test('the definitions in the chart are those in crds/ (else: make chart)', async () => {
  assert.deepEqual(Object.fromEntries(await currentDefinitions()), Object.fromEntries(await chartDefinitions()));
});

test('a definition from the chart is the one in crds/, but for labels and the annotation that keeps it', async () => {
  const definitions = (await objects()).filter(({ kind }) => kind === 'CustomResourceDefinition');
  assert.ok(definitions.length > 0);
  for (const { metadata, spec } of definitions) {
    const file = new URL(`../../../crds/${fileOf(metadata.name)}`, import.meta.url);
    assert.deepEqual(spec, (parse(await readFile(file, 'utf8')) as Rendered).spec);
    assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep');
  }
});

/** `registries.ne-registry.io` lies in `ne-registry.io_registries.yaml`. */
function fileOf(definition: string): string {
  const [plural, ...group] = definition.split('.');
  return `${group.join('.')}_${plural}.yaml`;
}

test('crds.keep=false lets helm remove them, crds.enabled=false leaves them out', async () => {
  assert.doesNotMatch(await rendered({ 'crds.keep': false }), /resource-policy/);
  assert.doesNotMatch(await rendered({ 'crds.enabled': false }), /kind: CustomResourceDefinition/);
});

test('the same values render the same bytes', async () => {
  assert.equal(await rendered({ replicas: 3 }), await rendered({ replicas: 3 }));
});

test('nothing is a hook, so that GitOps sees what there is', async () => {
  assert.doesNotMatch(await rendered(), /helm\.sh\/hook/);
});

test('chart, application and package have one version', async () => {
  const chart = parse(await readFile(`${CHART}/Chart.yaml`, 'utf8')) as { version: string; appVersion: string };
  assert.equal(chart.version, manifest.version);
  assert.equal(chart.appVersion, manifest.version);
});

describe('values that make no sense are refused with their name', () => {
  const refused: [object, RegExp][] = [
    [{ replica: 2 }, /replica/],
    [{ 'image.repo': 'x' }, /repo/],
    [{ 'image.repository': '' }, /repository/],
    [{ 'image.digest': 'sha256:12' }, /digest/],
    [{ replicas: '2' }, /replicas/],
    [{ watchNamespaces: 'team-a' }, /watchNamespaces/],
    [{ watchNamespaces: ['Team'] }, /watchNamespaces/],
    [{ 'crds.kept': true }, /kept/],
    [{ 'metrics.serviceMonitor.enable': true }, /enable/],
    [{ 'networkPolicy.egress.apiServerPorts': [0] }, /apiServerPorts/],
    [{ 'metrics.prometheusRule.reclaimLateSeconds': '1d' }, /reclaimLateSeconds/],
    [{ 'log.level': 'loud' }, /level/],
    [{ 'inventory.reportTo': ['no-namespace'] }, /reportTo/],
  ];
  for (const [values, message] of refused) {
    test(JSON.stringify(values), async () => {
      const { code, stderr } = await helm('template', values as Record<string, unknown>);
      assert.notEqual(code, 0);
      assert.match(stderr, message);
    });
  }
});

test('Secrets of other clusters are named to the operator, which may read these and no others for it', async () => {
  const rendering = await objects({ 'inventory.reportTo': ['b/one', 'a/x', 'b/two'], watchNamespaces: ['team'] });
  const deployment = rendering.find(({ kind }) => kind === 'Deployment');
  const args = deployment?.spec.template.spec.containers[0].args as string[];
  assert.deepEqual(
    args.filter((arg) => arg.startsWith('--report-to')),
    ['--report-to=b/one', '--report-to=a/x', '--report-to=b/two'],
  );
  const roles = rendering.filter(({ kind, metadata }) => kind === 'Role' && metadata.name.endsWith('-report-to'));
  const rule = (resourceNames: string[]) => [
    { apiGroups: [''], resources: ['secrets'], resourceNames, verbs: ['get'] },
  ];
  assert.deepEqual(
    roles.map(({ metadata, rules }) => [metadata.namespace, rules]),
    [
      ['a', rule(['x'])],
      ['b', rule(['one', 'two'])],
    ],
  );
});

test('every value in values.yaml is in the schema and is explained', async () => {
  const text = await readFile(`${CHART}/values.yaml`, 'utf8');
  const schema = JSON.parse(await readFile(`${CHART}/values.schema.json`, 'utf8')) as {
    properties: Record<string, unknown>;
  };
  const values = Object.keys(parse(text) as object).sort();
  assert.deepEqual(
    Object.keys(schema.properties)
      .filter((key) => key !== 'global')
      .sort(),
    values,
  );
  const readme = await readFile(`${CHART}/README.md`, 'utf8');
  for (const value of values) assert.match(readme, new RegExp(`\`${value}[.\`]`), `README.md explains ${value}`);
});

describe('the operator', () => {
  test('runs the image of the chart; a digest wins over a tag', async () => {
    const image = async (values: Record<string, unknown>) =>
      (await one('Deployment', values)).spec.template.spec.containers[0].image;
    assert.equal(await image({}), `localhost/ne-registry:${manifest.version}`);
    const digest = `sha256:${'a'.repeat(64)}`;
    assert.equal(await image({ 'image.repository': 'r:5/x', 'image.tag': 't' }), 'r:5/x:t');
    assert.equal(await image({ 'image.tag': 't', 'image.digest': digest }), `localhost/ne-registry@${digest}`);
  });

  test('gives Registry pods its own image unless told otherwise', async () => {
    const args = async (values: Record<string, unknown>): Promise<string[]> =>
      (await one('Deployment', values)).spec.template.spec.containers[0].args;
    assert.ok((await args({ 'image.tag': 't' })).includes('--registry-image=localhost/ne-registry:t'));
    const other = { 'image.tag': 't', 'registry.image.repository': 'r/x' };
    assert.ok((await args(other)).includes(`--registry-image=r/x:${manifest.version}`));
    assert.ok((await args({ 'registry.image.tag': 'u' })).includes('--registry-image=localhost/ne-registry:u'));
  });

  test('has a disruption budget and is spread only when there are several', async () => {
    const kinds = async (values: Record<string, unknown>) => (await objects(values)).map(({ kind }) => kind);
    assert.ok(!(await kinds({})).includes('PodDisruptionBudget'));
    assert.ok((await kinds({ replicas: 2 })).includes('PodDisruptionBudget'));
    assert.equal((await one('Deployment')).spec.template.spec.topologySpreadConstraints, undefined);
    assert.equal((await one('Deployment', { replicas: 2 })).spec.template.spec.topologySpreadConstraints.length, 1);
  });

  test('can be left without anything that needs the Prometheus operator, and is by default', async () => {
    assert.doesNotMatch(await rendered(), /monitoring\.coreos\.com\/v1/);
  });

  test('has alerts, all of which ask for metrics that exist', async () => {
    const rule = await one('PrometheusRule', { 'metrics.prometheusRule.enabled': true });
    const groups = rule.spec.groups as { rules: { alert: string; expr: string; annotations: object }[] }[];
    const rules = groups.flatMap((group) => group.rules);
    const asked = rules.flatMap(({ expr }) => expr.match(/ne_registry_\w+/g) ?? []);
    assert.deepEqual(asked.toSorted(), [
      'ne_registry_backup_failures_total',
      'ne_registry_job_last_success_timestamp_seconds',
      'ne_registry_job_runs_total',
      'ne_registry_journal_lag_seconds',
      'ne_registry_quarantined_blobs',
    ]);
    const register = createMetrics();
    createJobMetrics(register, async () => 0);
    recoveryMetrics(register, { lagSeconds: () => 0, lastBackup: async () => undefined });
    const exposed = await register.metrics();
    for (const name of asked) assert.match(exposed, new RegExp(`^# TYPE ${name} `, 'm'));
    const late = { 'metrics.prometheusRule.enabled': true, 'metrics.prometheusRule.reclaimLateSeconds': 1_209_600 };
    assert.match(await rendered(late), /kind="reclaim"\}\) > 1209600$/m);
  });

  test('has a dashboard that is JSON', async () => {
    const maps = (await objects({ 'metrics.dashboard.enabled': true })).filter(({ kind }) => kind === 'ConfigMap');
    const dashboard = JSON.parse(maps[0]?.data?.['ne-registry.json'] ?? '') as { panels: unknown[] };
    assert.ok(dashboard.panels.length > 0);
  });
});
