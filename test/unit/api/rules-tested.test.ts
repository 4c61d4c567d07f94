import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusedPolicies, refusedRules } from '../../integration/crds/policies-refusals.ts';
import { refusedChanges, refusedRegistries } from '../../integration/crds/registry-refusals.ts';
import { definitions } from '../../integration/crds/server.ts';

interface Rules {
  readonly 'x-kubernetes-validations'?: readonly { readonly message: string }[];
}

/** The messages of all CEL rules below a node of a schema. */
function messages(node: unknown): readonly string[] {
  if (typeof node !== 'object' || node === null) return [];
  const own = ((node as Rules)['x-kubernetes-validations'] ?? []).map(({ message }) => message);
  return [...own, ...Object.values(node).flatMap(messages)];
}

/** Rules of `metadata.name` and of embedded lists, which their own tests ask for. */
const ELSEWHERE = /^metadata\.name/;

test('every CEL rule of the definitions is one that a test sees refuse something', () => {
  const asked = [...refusedRegistries, ...refusedChanges, ...refusedRules, ...refusedPolicies].map(
    (row) => row.at(-1) as RegExp,
  );
  const all = definitions().flatMap((definition) => messages(definition.spec.versions));
  assert.ok(all.length > 40);
  const untested = all.filter((message) => !ELSEWHERE.test(message) && !asked.some((pattern) => pattern.test(message)));
  assert.deepEqual(untested, []);
});

test('every message of a CEL rule names its field and says what to do', () => {
  for (const message of definitions().flatMap((definition) => messages(definition.spec.versions))) {
    assert.match(message, /^(spec|metadata\.name)[. :][^:]*.*: [a-z]/, message);
  }
});
