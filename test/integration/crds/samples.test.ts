/** What a user first meets of the three kinds: the samples, `kubectl explain`, and the columns of `kubectl get`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { definitions, type Node, sampleFiles, samples, startWithDefinitions, tryCreate } from './server.ts';

let api: BareApiServer;
before(async () => {
  api = await startWithDefinitions();
});
after(async () => await api?.stop());

test('there are samples', () => assert.ok(sampleFiles().length >= 5));

for (const file of sampleFiles()) {
  test(`config/samples/${file} is valid`, async () => {
    const resources = samples(file);
    assert.ok(resources.length > 0);
    for (const one of resources) {
      const { status, body } = await tryCreate(api, one);
      assert.equal(status, 201, `${one.kind} ${one.metadata.name}: ${body.message}`);
    }
  });
}

/** The paths of all fields below a schema that have no description. */
function undescribed(node: Node, at: string): readonly string[] {
  const fields = Object.entries(node.properties ?? {}).filter(([name]) => !(at === '' && name === 'metadata'));
  return [
    ...fields.flatMap(([name, child]) => [
      ...(child.description === undefined ? [`${at}.${name}`] : []),
      ...undescribed(child, `${at}.${name}`),
    ]),
    ...(node.items === undefined ? [] : undescribed(node.items, `${at}[]`)),
  ];
}

for (const definition of definitions()) {
  const { kind, plural } = definition.spec.names;
  const schema = definition.spec.versions[0].schema.openAPIV3Schema;

  test(`every field of ${kind} has a description`, () => assert.deepEqual(undescribed(schema, ''), []));

  test(`kubectl explains ${kind}`, async () => {
    const { code, stdout, stderr } = await api.kubectl(['explain', `${plural}.spec`]);
    assert.equal(code, 0, stderr);
    const fields = Object.keys(schema.properties?.spec?.properties ?? {});
    for (const field of fields) assert.match(stdout, new RegExp(`^  ${field}\\t`, 'm'));
  });
}

test('kubectl get ne-registry lists the three kinds with their columns', async () => {
  for (const file of ['registry-ha.yaml', 'replication-rule.yaml', 'retention-policy.yaml']) {
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: samples(file) });
    const { code, stderr } = await api.kubectl(['apply', '-f', '-'], text);
    assert.equal(code, 0, stderr);
  }
  const { stdout } = await api.kubectl(['get', 'ne-registry']);
  assert.match(stdout, /^NAME +URL +READY +MESSAGE +AGE\nregistry\.ne-registry\.io\/ha /m);
  assert.match(
    stdout,
    /^NAME +SOURCE +READY +IN-SYNC +MESSAGE +AGE\nreplicationrule\.ne-registry\.io\/mirror +ghcr\.io\/myorg\/app /m,
  );
  assert.match(stdout, /^NAME +MODE +READY +EXPIRING +MESSAGE +AGE\n/m);
});
