/** A policy that this version of the registry does not understand keeps its repositories from broader ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { governing, isRunnable, policyRule } from '../../../src/registry/retention/policy-rule.ts';

const now = Date.parse('2026-11-22T10:30:00Z');
const rules = [
  {
    rulePriority: 1,
    selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 },
    action: { type: 'expire' },
  },
];

function policy(name: string, repositories: unknown, more: object = {}) {
  const document = JSON.stringify({ spec: { repositories, rules, ...more } });
  const row = { kind: 'retention' as const, name, uid: name, generation: 1, changedAt: now, changedBy: 'tester' };
  return policyRule({ ...row, document }, now);
}

test('what a policy that cannot be read names stays its own', () => {
  const broad = policy('broad', { include: ['**'] });
  const later = policy('later', { include: ['prod/**', 7, '  '], exclude: ['prod/x'] }, { ofTomorrow: true });
  assert.deepEqual([isRunnable(broad), isRunnable(later)], [true, false]);
  const govern = governing([broad, later]);
  assert.deepEqual(govern('dev/app'), { policy: 'broad', pattern: '**' });
  for (const repository of ['prod/app', 'prod/x'])
    assert.deepEqual(govern(repository), { policy: 'later', pattern: 'prod/**' });
});

test('one of which nothing can be read names nothing', () => {
  const govern = governing([policy('broad', { include: ['**'] }), policy('later', 'prod')]);
  assert.deepEqual(govern('prod/app'), { policy: 'broad', pattern: '**' });
});
