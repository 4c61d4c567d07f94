import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { documentOf, load, problemsOf, specOf } from '../../../src/registry/replication/document.ts';
import { CredentialsLost, seal, unseal } from '../../../src/registry/replication/sealed.ts';

const keyOf = () => generateKeyPairSync('ed25519').privateKey;
const connections = [{ host: 'there.example', username: 'robot', password: randomBytes(12).toString('hex') }];
const spec = { source: 'here.example/app', targets: ['there.example/app'] };
const body = { name: 'mirror', uid: 'u1', generation: 1, spec, connections };

test('credentials are kept sealed: for this registry, and for this rule', () => {
  const key = keyOf();
  const document = documentOf(body, key);
  assert.ok(!document.includes(connections[0]?.password ?? ''));
  assert.ok(!document.includes('robot'));
  const row = {
    kind: 'replication' as const,
    name: 'mirror',
    uid: 'u1',
    generation: 1,
    document,
    changedAt: 0,
    changedBy: 'x',
  };
  assert.deepEqual(load(row, key).connections, connections);
  assert.deepEqual(specOf(row), spec);
  assert.throws(() => load(row, keyOf()), CredentialsLost);
  assert.throws(() => load({ ...row, uid: 'u2' }, key), CredentialsLost);
});

test('the same connections are the same document, and others another one', () => {
  const key = keyOf();
  assert.equal(documentOf(body, key), documentOf(structuredClone(body), key));
  assert.notEqual(seal(connections, key, 'u1'), seal([{ ...connections[0], host: 'x', password: 'y' }], key, 'u1'));
});

test('bytes that were changed do not open', () => {
  const key = keyOf();
  const sealed = Buffer.from(seal(connections, key, 'u1'), 'base64');
  for (const at of [0, 20, sealed.length - 1]) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => unseal(changed.toString('base64'), key, 'u1'), CredentialsLost);
  }
  assert.throws(() => unseal('', key, 'u1'), CredentialsLost);
});

test('what is wrong with connections is told by field, and never by value', () => {
  const [problem, ...others] = problemsOf({ ...body, connections: [{ host: 'x', password: 7, secret: 'hush' }] });
  assert.match(problem ?? '', /^connections\[0\]/);
  assert.ok(![problem, ...others].some((each) => each?.includes('hush')));
  assert.match(
    problemsOf({ ...body, spec: { ...spec, targets: ['registry://far/app'] } })[0] ?? '',
    /registry:\/\/far/,
  );
  assert.deepEqual(problemsOf(body), []);
});
