import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Action, actions } from '../../../src/domain/access/action.ts';
import { decide } from '../../../src/domain/access/decide.ts';

const may = (
  role: 'anonymous' | 'user' | 'administrator',
  action: Action,
  anonymousAccess: 'None' | 'Pull' | 'Push' = 'None',
) => decide({ role, action, anonymousAccess }).allowed;

test('a caller without credentials may do nothing unless anonymous access is on', () => {
  for (const action of actions) assert.equal(may('anonymous', action), false, action);
});

test('anonymous pull reads and nothing else', () => {
  const allowed = actions.filter((action) => may('anonymous', action, 'Pull'));
  assert.deepEqual(allowed, ['Pull', 'List']);
});

test('anonymous push never deletes, replicates or administers', () => {
  for (const action of ['DeleteTag', 'DeleteManifest', 'Replicate', 'ReadAudit', 'Admin'] as const) {
    assert.equal(may('anonymous', action, 'Push'), false, action);
  }
  assert.equal(may('anonymous', 'CreateTag', 'Push'), true);
});

test('a user does everything with content, whatever anonymous access is, and never administers', () => {
  const denied = actions.filter((action) => !may('user', action));
  assert.deepEqual(denied, ['ReadAudit', 'Admin']);
});

test('an administrator may do everything, and every decision has its reason', () => {
  for (const action of actions) {
    assert.equal(may('administrator', action), true);
    assert.notEqual(decide({ role: 'user', action, anonymousAccess: 'None' }).reason, '');
  }
});
