import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import bcrypt from 'bcrypt';
import type { AnonymousAccess } from '../../../src/domain/access/decide.ts';
import { Refusal } from '../../../src/domain/errors.ts';
import type { Caller, Grant, Identity } from '../../../src/registry/auth/contract.ts';
import { RegistryGate } from '../../../src/registry/auth/gate.ts';
import { Passwords } from '../../../src/registry/auth/passwords.ts';
import { newSigningKey, readSigningKey } from '../../../src/registry/auth/signing-key.ts';
import { Tokens } from '../../../src/registry/auth/tokens.ts';
import { Users } from '../../../src/registry/auth/users.ts';

const password = randomBytes(12).toString('hex');
const hash = await bcrypt.hash(password, 4);
const otherHash = await bcrypt.hash(password, 4);
const pullOnly: Grant[] = [{ type: 'repository', name: 'a', actions: ['pull'] }];

function setUp(anonymous: AnonymousAccess = 'None') {
  const users = new Users(
    [
      new Map([
        ['alice', hash],
        ['admin', hash],
      ]),
    ],
    ['admin'],
  );
  const state = { users, anonymous, service: 'reg.example' };
  const key = readSigningKey(newSigningKey(), 'test');
  const tokens = new Tokens(() => ({ key, accepted: [key], service: 'reg.example', ttlSeconds: 300 }), Date.now);
  const gate = new RegistryGate({
    settings: () => state,
    passwords: new Passwords({ users: () => state.users }),
    tokens,
  });
  const stamp = users.get('alice')?.stamp ?? '';
  return { gate, state, tokens, stamp };
}

function caller(authorization?: string): Caller {
  return { authorization, authority: 'reg.example:5000', secure: true, address: '192.0.2.1' };
}

const basic = (name: string, secret = password) => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`;

async function refusalOf(run: () => unknown): Promise<Refusal> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const challengeOf = (refusal: Refusal) => refusal.headers['www-authenticate'];

test('a stranger is challenged with realm, service and the scope to ask for', async () => {
  const { gate } = setUp();
  const nobody = await gate.identify(caller());
  const refusal = await refusalOf(() => gate.authorize(nobody, 'CreateTag', 'team/app', caller()));
  assert.equal(refusal.status, 401);
  assert.equal(
    challengeOf(refusal),
    'Bearer realm="https://reg.example:5000/token",service="reg.example",scope="repository:team/app:pull,push"',
  );
});

test('GET /v2/ challenges whoever brings nothing, also where anonymous pull is on: clients look for the challenge only there', async () => {
  for (const anonymous of ['None', 'Pull'] as const) {
    const { gate } = setUp(anonymous);
    const refusal = await refusalOf(async () =>
      gate.authorize(await gate.identify(caller()), 'Pull', undefined, caller()),
    );
    assert.equal(challengeOf(refusal), 'Bearer realm="https://reg.example:5000/token",service="reg.example"');
  }
  const open = setUp('Push').gate;
  open.authorize(await open.identify(caller()), 'Pull', undefined, caller());
});

test('anonymous pull reads without credentials and is challenged for a push', async () => {
  const { gate } = setUp('Pull');
  const nobody = await gate.identify(caller());
  gate.authorize(nobody, 'Pull', 'a', caller());
  assert.equal((await refusalOf(() => gate.authorize(nobody, 'PushBlob', 'a', caller()))).status, 401);
});

test('a password lets a user do everything with content, and administration is denied, not challenged', async () => {
  const { gate } = setUp();
  const alice = await gate.identify(caller(basic('alice')));
  assert.equal(alice.name, 'alice');
  gate.authorize(alice, 'DeleteManifest', 'a', caller());
  const refusal = await refusalOf(() => gate.authorize(alice, 'Admin', undefined, caller()));
  assert.equal(refusal.code, 'DENIED');
  const admin = await gate.identify(caller(basic('admin')));
  gate.authorize(admin, 'Admin', undefined, caller());
});

test('credentials that were verified before are answered without a promise', async () => {
  const { gate, tokens, stamp } = setUp();
  const { token } = await tokens.issue({ subject: 'alice', stamp }, pullOnly);
  for (const authorization of [basic('alice'), `Bearer ${token}`]) {
    await gate.identify(caller(authorization));
    assert.ok(!(gate.identify(caller(authorization)) instanceof Promise), authorization.slice(0, 6));
  }
});

test('wrong passwords, unknown schemes and broken headers are 401, each with a challenge', async () => {
  const { gate } = setUp();
  const headers = [
    basic('alice', 'wrong'),
    basic('nobody'),
    'Basic %%%',
    'Basic',
    'Digest x',
    'Bearer x',
    'Bearer',
    '',
  ];
  for (const authorization of headers) {
    const refusal = await refusalOf(() => gate.identify(caller(authorization)));
    assert.equal(refusal.code, 'UNAUTHORIZED', authorization);
    assert.match(challengeOf(refusal) ?? '', /^Bearer realm=/);
  }
});

test('a token is a ceiling: what it does not name is insufficient scope, whoever holds it', async () => {
  const { gate, tokens, stamp } = setUp();
  const { token } = await tokens.issue({ subject: 'alice', stamp }, pullOnly);
  const alice = await gate.identify(caller(`Bearer ${token}`));
  gate.authorize(alice, 'Pull', 'a', caller());
  for (const [action, repository] of [
    ['Pull', 'b'],
    ['PushBlob', 'a'],
    ['List', undefined],
    ['DeleteTag', 'a'],
  ] as const) {
    const refusal = await refusalOf(() => gate.authorize(alice, action, repository, caller()));
    assert.equal(refusal.status, 401);
    assert.match(challengeOf(refusal) ?? '', /error="insufficient_scope"/);
    assert.equal(gate.allows(alice, action, repository), false);
  }
});

test('a token of an administrator does not administer', async () => {
  const { gate, tokens, state } = setUp();
  const stamp = state.users.get('admin')?.stamp ?? '';
  const { token } = await tokens.issue({ subject: 'admin', stamp }, [
    { type: 'repository', name: 'a', actions: ['*'] },
  ]);
  const admin = await gate.identify(caller(`Bearer ${token}`));
  assert.equal(gate.allows(admin, 'Admin', undefined), false);
});

const endings: Record<string, (state: ReturnType<typeof setUp>['state']) => void> = {
  'was removed': (state) => {
    state.users = new Users([], []);
  },
  'has a new password': (state) => {
    state.users = new Users([new Map([['alice', otherHash]])], []);
  },
};

for (const [what, change] of Object.entries(endings)) {
  test(`the token of a user who ${what} is refused at once, although it was accepted before`, async () => {
    const { gate, tokens, state, stamp } = setUp();
    const { token } = await tokens.issue({ subject: 'alice', stamp }, pullOnly);
    assert.equal((await gate.identify(caller(`Bearer ${token}`))).name, 'alice');
    change(state);
    const refusal = await refusalOf(() => gate.identify(caller(`Bearer ${token}`)));
    assert.match(challengeOf(refusal) ?? '', /error="invalid_token"/);
  });
}

test('anonymous tokens end with anonymous access', async () => {
  const { gate, tokens, state } = setUp('Pull');
  const { token } = await tokens.issue({ subject: '', stamp: '' }, pullOnly);
  const nobody: Identity = await gate.identify(caller(`Bearer ${token}`));
  gate.authorize(nobody, 'Pull', 'a', caller());
  gate.authorize(nobody, 'Pull', undefined, caller());
  state.anonymous = 'None';
  await refusalOf(() => gate.identify(caller(`Bearer ${token}`)));
});

test('an anonymous token cannot be made to push by its grants', async () => {
  const { gate, tokens } = setUp('Pull');
  const { token } = await tokens.issue({ subject: '', stamp: '' }, [{ type: 'repository', name: 'a', actions: ['*'] }]);
  const nobody = await gate.identify(caller(`Bearer ${token}`));
  assert.equal(gate.allows(nobody, 'PushBlob', 'a'), false);
});
