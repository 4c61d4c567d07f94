import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readReplicationRule } from '../../../src/domain/replication/read-rule.ts';
import type { LoadedRule } from '../../../src/registry/replication/document.ts';
import { comesBack, flowsOf } from '../../../src/registry/replication/flows.ts';
import { readPeerPage } from '../../../src/registry/replication/peer-list.ts';

const connections = [
  { host: 'here.example', self: true as const },
  { host: 'there.example' },
  { host: 'there.example', registry: 'main.far' },
];

function ruleOf(source: string, ...targets: string[]): LoadedRule {
  const rule = readReplicationRule({ source, targets });
  return { name: source, uid: 'u', generation: 1, changedAt: 0, rule, connections, document: '' };
}

const peers = (source: string | null | undefined, targets: Record<string, string | null> = {}) => ({
  targets,
  ...(source !== undefined && { source }),
});

test('a registry tells with which ones a repository is kept in step', () => {
  const rules = [
    {
      loaded: ruleOf('here.example/team/*', 'there.example/team'),
      peers: peers(undefined, { 'there.example/team': 'b' }),
    },
    {
      loaded: ruleOf('here.example/team/app', 'old.example/team/app'),
      peers: peers(undefined, { 'old.example/team/app': null }),
    },
    { loaded: ruleOf('there.example/lib/**', 'here.example/team'), peers: peers(undefined) },
  ];
  assert.deepEqual(flowsOf(rules, 'team/app'), { to: ['b'], from: ['?'] });
  assert.deepEqual(flowsOf(rules, 'other/app'), { to: [], from: [] });
});

test('changes come back by a rule here, under whatever name the registry goes', () => {
  const there = ruleOf('here.example/team/*', 'there.example/mirror');
  const question = {
    repository: 'team/app',
    target: 'there.example/mirror',
    name: 'mirror/app',
    source: {},
    listing: {},
  };
  assert.equal(comesBack([there], there, question), false);
  assert.equal(comesBack([there, ruleOf('registry://main.far/mirror/**', 'here.example/team')], there, question), true);
  assert.equal(comesBack([there, ruleOf('there.example/mirror/*', 'here.example/elsewhere')], there, question), false);
});

test('changes come back by a rule that the other registry tells of', () => {
  const there = ruleOf('here.example/team/*', 'there.example/mirror');
  const question = (to: string[], from: string[] = []) => ({
    repository: 'team/app',
    target: 'there.example/mirror',
    name: 'mirror/app',
    source: { identity: 'a', flows: { to: [], from } },
    listing: { identity: 'b', flows: { to, from: [] } },
  });
  assert.equal(comesBack([there], there, question(['a'])), true);
  assert.equal(comesBack([there], there, question(['?'])), true);
  assert.equal(comesBack([there], there, question(['c'])), false);
  assert.equal(comesBack([there], there, question([], ['b'])), true);
});

test('a list that is not quite one of ours is one of another registry', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const tag = { tag: '1', digest, version: 1, origin: 'a', changedAt: '2026-01-01T00:00:00Z' };
  assert.equal(readPeerPage({ registry: 'a', tags: [tag] })?.tags[0]?.changedAt, Date.UTC(2026));
  assert.equal(readPeerPage({ tags: ['1'] }), undefined);
  assert.equal(readPeerPage({ registry: 'a', tags: ['1'] }), undefined);
  assert.equal(readPeerPage({ registry: 'a', tags: [{ ...tag, digest: 'sha256:x' }] }), undefined);
  assert.equal(readPeerPage({ registry: 'a', tags: [{ ...tag, version: '1' }] }), undefined);
});
