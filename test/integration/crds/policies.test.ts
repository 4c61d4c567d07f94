/** The schemas of ReplicationRule and RetentionPolicy, asked of a real API server. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import {
  byAge,
  byCount,
  lifecycle,
  policy,
  refusedPolicies,
  refusedRules,
  rule,
  selecting,
  source,
  targets,
} from './policies-refusals.ts';
import { assertRefused, path, resource, startWithDefinitions, tryChange, tryCreate } from './server.ts';

let api: BareApiServer;
before(async () => {
  api = await startWithDefinitions();
});
after(async () => await api?.stop());

describe('a ReplicationRule is accepted', () => {
  const accepted: Record<string, unknown> = {
    'with a source and a target': { source, targets },
    'as the three lines of a mirror': {
      source,
      targets: [...targets, '192.168.1.100:5000/myorg/app'],
      schedule: '0 */6 * * *',
    },
    'from a Registry, with a pattern': {
      source: 'registry://main/team-a/*',
      targets: ['registry://other.site-b/copies'],
    },
    'to the root of a host': { source: 'registry://main/**', targets: ['registry.example.com'] },
    'from a repository with a deep name': rule({ source: 'ghcr.io/a/b_c/d.e/f--g' }),
    'by weekday': rule({ schedule: '30 4 * * MON-FRI', timeZone: 'Asia/Shanghai' }),
  };
  for (const [what, spec] of Object.entries(accepted)) {
    test(what, async () => {
      const { status, body } = await tryCreate(api, resource('ReplicationRule', spec));
      assert.equal(status, 201, body.message);
    });
  }
});

describe('a ReplicationRule is refused with a message that names the field', () => {
  for (const [what, spec, message] of refusedRules) {
    test(what, async () => assertRefused(await tryCreate(api, resource('ReplicationRule', spec)), message));
  }
});

describe('a RetentionPolicy is accepted', () => {
  const accepted: Record<string, unknown> = {
    'with one rule': lifecycle({ selection: byCount }),
    'with the JSON of ECR, however wrong, since a condition says what is': policy({
      lifecyclePolicyText: '{"rules":[]}',
    }),
    'with gaps between priorities, in any order': policy({
      rules: [
        { rulePriority: 90, selection: byCount, action: { type: 'expire' } },
        { rulePriority: 7, selection: { ...byAge, tagStatus: 'untagged' }, action: { type: 'expire' } },
      ],
    }),
    'with a pattern of four stars': selecting({ tagStatus: 'tagged', tagPatternList: ['*a*b*c*'] }),
    'with an age that counts from the pull': lifecycle({ selection: { ...byAge, countType: 'sinceImagePulled' } }),
    'with a transition, which then keeps': lifecycle({
      selection: byAge,
      action: { type: 'transition', targetStorageClass: 'archive' },
    }),
    'with one strongest rule for each storage class': lifecycle(
      { selection: byCount },
      {
        selection: {
          tagStatus: 'any',
          countType: 'sinceImageTransitioned',
          countUnit: 'days',
          countNumber: 90,
          storageClass: 'archive',
        },
      },
    ),
    'with an approved plan': {
      ...lifecycle({ selection: byCount }),
      mode: 'Approve',
      approvedPlan: `sha256:${'0'.repeat(64)}`,
    },
  };
  for (const [what, spec] of Object.entries(accepted)) {
    test(what, async () => {
      const { status, body } = await tryCreate(api, resource('RetentionPolicy', spec));
      assert.equal(status, 201, body.message);
    });
  }
});

describe('a RetentionPolicy is refused with a message that names the field', () => {
  for (const [what, spec, message] of refusedPolicies) {
    test(what, async () => assertRefused(await tryCreate(api, resource('RetentionPolicy', spec)), message));
  }
});

test('rules and policies may change, and nobody has seen a new one', async () => {
  const changes = [
    ['ReplicationRule', rule({}), rule({ source: 'registry://main/a', suspend: true })],
    ['RetentionPolicy', lifecycle({ selection: byCount }), policy({ lifecyclePolicyText: '{}' })],
  ] as const;
  for (const [kind, before, to] of changes) {
    const { status, body } = await tryChange(api, kind, before, to);
    assert.equal(status, 200, body.message);
    const created = await api.request('POST', path(kind), resource(kind, before, 'new'));
    assert.deepEqual(created.body.status, { observedGeneration: -1 });
    assert.deepEqual(created.body.spec, before);
  }
});
