/** Which Registry a policy is for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegistryResource } from '../../../src/operator/registry/resource.ts';
import { isMissing, registryOf } from '../../../src/operator/retention-policy/registry-of.ts';
import type { RetentionPolicyResource } from '../../../src/operator/retention-policy/resource.ts';
import { registry } from '../operator-registry/sample.ts';

const policy = (name?: string) =>
  ({
    metadata: { name: 'p', namespace: 'registry' },
    spec: { repositories: { include: ['**'] }, ...(name && { registryRef: { name } }) },
  }) as unknown as RetentionPolicyResource;

function outcome(of: RetentionPolicyResource, registries: readonly RegistryResource[]): string {
  const found = registryOf(of, registries);
  return isMissing(found) ? found.reason : found.metadata.name;
}

const [one, two] = [registry({}, 'one'), registry({}, 'two')];
const leaving = { ...two, metadata: { ...two.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };

test('is the one that it names, or the only one', () => {
  assert.equal(outcome(policy('two'), [one, two]), 'two');
  assert.equal(outcome(policy(), [one]), 'one');
});

test('is none where there is none, or not of this name, and where there are several and none is named', () => {
  assert.equal(outcome(policy(), []), 'RegistryNotFound');
  assert.equal(outcome(policy('three'), [one]), 'RegistryNotFound');
  assert.equal(outcome(policy(), [one, two]), 'RegistryAmbiguous');
});

test('is none that is on its way out', () => {
  assert.equal(outcome(policy('two'), [one, leaving]), 'RegistryNotFound');
  assert.equal(outcome(policy(), [one, leaving]), 'one');
});
