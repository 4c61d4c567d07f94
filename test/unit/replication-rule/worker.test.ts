import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failing } from '../../../src/operator/registry/failing.ts';
import { keepsRule, registriesConcernedBy, rolesOf } from '../../../src/operator/replication-rule/roles.ts';
import { workerOf } from '../../../src/operator/replication-rule/worker.ts';
import { registry, rule } from './sample.ts';

const main = registry('main');
const edge = registry('edge');
const both = [edge, main];

test('the three lines of a mirror need only the one Registry of the namespace', () => {
  const mirror = rule({ schedule: '0 */6 * * *' });
  assert.equal(workerOf(mirror, [main]), main);
});

test('who is asked by name does the work; then the source, then the first target that is one', () => {
  const from = { source: 'registry://main/team/app', targets: ['registry://edge/team/app'] };
  assert.equal(workerOf(rule({ ...from, registryRef: { name: 'edge' } }), both), edge);
  assert.equal(workerOf(rule(from), both), main);
  const pull = { source: 'ghcr.io/x/y', targets: ['other.example/y', 'registry://edge/y', 'registry://main/y'] };
  assert.equal(workerOf(rule(pull), both), edge);
});

test('a Registry is meant by its own host as well, and by those of its external URLs', () => {
  assert.equal(workerOf(rule({ targets: ['main.team.example/app'] }), both), main);
  const published = registry('main', { externalURLs: ['https://images.bank.example:8443/'] });
  assert.equal(workerOf(rule({ targets: ['IMAGES.bank.example:8443/app'] }), [edge, published]), published);
});

test('where none is there, or no telling which, the message says what to do', () => {
  const reason = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof Failing);
      return `${error.reason}: ${error.message}`;
    }
    return assert.fail('a Registry was found');
  };
  assert.match(
    reason(() => workerOf(rule(), [])),
    /^RegistryNotFound: .*namespace team/,
  );
  assert.match(
    reason(() => workerOf(rule(), both)),
    /^RegistryAmbiguous: .*spec\.registryRef\.name.*edge, main/,
  );
  assert.match(
    reason(() => workerOf(rule({ registryRef: { name: 'x' } }), both)),
    /^RegistryNotFound: .*team\/x/,
  );
  // Another Registry is there, but the rule means one that is not.
  assert.match(
    reason(() => workerOf(rule({ source: 'registry://gone/a' }), [main])),
    /^RegistryNotFound: .*team\/gone/,
  );
  const leaving = registry('main', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
  assert.match(
    reason(() => workerOf(rule(), [leaving])),
    /^RegistryNotFound/,
  );
});

test('a Registry of another namespace does no work for a rule', () => {
  const far = registry('main', {}, { namespace: 'far' });
  const pull = rule({ source: 'registry://main.far/app', targets: ['registry.example.com/app'] });
  assert.equal(workerOf(pull, [edge]), edge);
  assert.deepEqual(rolesOf(far, { rules: [pull], registries: [edge, far] }), { replicates: false, replicated: false });
});

test('a user for replication is wanted where another Registry comes over the network, and is admitted', () => {
  const push = rule({ source: 'registry://main/app', targets: ['registry://edge/app'] });
  const known = { rules: [push], registries: both };
  assert.deepEqual(rolesOf(main, known), { replicates: true, replicated: false });
  assert.deepEqual(rolesOf(edge, known), { replicates: false, replicated: true });

  const roles = (admitted?: string) => {
    const annotations = admitted === undefined ? {} : { 'ne-registry.io/replication-namespaces': admitted };
    const far = registry('main', {}, { namespace: 'far', annotations });
    const across = rule({ source: 'registry://main/app', targets: ['registry://main.far/app'] });
    return rolesOf(far, { rules: [across], registries: [main, far] }).replicated;
  };
  assert.deepEqual(['', 'other', 'other, team', '*', undefined].map(roles), [false, false, true, true, false]);
});

test('a rule concerns the Registries of its namespace and those that it names', () => {
  const across = rule({ targets: ['registry://main.far/app', 'registry://edge/app'] });
  const far = registry('main', {}, { namespace: 'far' });
  assert.deepEqual(registriesConcernedBy(across, [main, edge, far, registry('x', {}, { namespace: 'y' })]), [
    { namespace: 'team', name: 'main' },
    { namespace: 'team', name: 'edge' },
    { namespace: 'far', name: 'main' },
  ]);
});

test('a registry keeps a rule as long as it is the one that works, or nobody can tell who is', () => {
  const keepers = (which: ReturnType<typeof rule> | undefined, registries = both) =>
    registries.filter((each) => keepsRule(each, which, registries)).map(({ metadata: { name } }) => name);
  assert.deepEqual(keepers(undefined), []);
  assert.deepEqual(keepers(rule({ registryRef: { name: 'main' } })), ['main']);
  assert.deepEqual(keepers(rule()), ['edge', 'main'], 'two could work: a second Registry stops nothing');
  assert.deepEqual(keepers(rule({ registryRef: { name: 'mian' } })), ['edge', 'main'], 'and neither does a slip');
  assert.deepEqual(keepers(rule(), [main]), ['main']);
});
