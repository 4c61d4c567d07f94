import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { verifyOperatorToken } from '../../../src/registry/auth/operator-token.ts';
import {
  newSigningKey,
  readSigningKey,
  readVerificationKey,
  type SigningKey,
} from '../../../src/registry/auth/signing-key.ts';
import { type TokenSettings, Tokens } from '../../../src/registry/auth/tokens.ts';

const start = Date.UTC(2026, 0, 1);
const grants = [{ type: 'repository' as const, name: 'a/b', actions: ['pull'] }];
const alice = { subject: 'alice', stamp: 's1' };

function setUp() {
  const key = readSigningKey(newSigningKey(), 'test');
  const state = {
    now: start,
    settings: { key, accepted: [key], service: 'reg.example', ttlSeconds: 300 } as TokenSettings,
  };
  return {
    key,
    state,
    tokens: new Tokens(
      () => state.settings,
      () => state.now,
    ),
  };
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token that has whatever header and claims a test wants. */
function forge(header: object, claims: object, key: KeyObject | undefined): string {
  const text = `${base64(header)}.${base64(claims)}`;
  return `${text}.${key === undefined ? '' : sign(null, Buffer.from(text), key).toString('base64url')}`;
}

const goodHeader = (key: SigningKey) => ({ alg: 'EdDSA', typ: 'JWT', kid: key.id });
const seconds = start / 1000;
const goodClaims = {
  iss: 'ne-registry',
  aud: 'reg.example',
  sub: 'alice',
  stamp: 's1',
  iat: seconds,
  nbf: seconds,
  exp: seconds + 300,
  access: grants,
};

test('an issued token says what it was issued for, at once from the second time on', async () => {
  const { tokens } = setUp();
  const { token, expiresIn } = await tokens.issue(alice, grants);
  assert.equal(expiresIn, 300);
  const expected = { subject: 'alice', stamp: 's1', grants, expires: seconds + 300 };
  assert.deepEqual(await tokens.verify(token), expected);
  const again = tokens.verify(token);
  assert.ok(!(again instanceof Promise));
  assert.deepEqual(again, expected);
});

test('the forger of the tests can make a good token, so that what follows fails for its own reason', async () => {
  const { tokens, key } = setUp();
  assert.ok(await tokens.verify(forge(goodHeader(key), goodClaims, key.privateKey)));
});

test('a token ends when it expires, remembered or not', async () => {
  const { tokens, state } = setUp();
  const { token } = await tokens.issue(alice, grants);
  assert.ok(await tokens.verify(token));
  state.now += 306_000;
  assert.equal(await tokens.verify(token), undefined);
  assert.equal(await tokens.verify(token), undefined);
});

test('a key that is no longer accepted ends its tokens, and one that is kept for rotation does not', async () => {
  const { tokens, state, key } = setUp();
  const { token } = await tokens.issue(alice, grants);
  await tokens.verify(token);
  const next = readSigningKey(newSigningKey(), 'next');
  state.settings = { ...state.settings, key: next, accepted: [next, key] };
  assert.ok(await tokens.verify(token));
  state.settings = { ...state.settings, accepted: [next] };
  assert.equal(await tokens.verify(token), undefined);
});

type Forgery = (key: SigningKey) => string;
const stranger = readSigningKey(newSigningKey(), 'stranger');
const publicPem = (key: SigningKey) => key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const forgeries: Record<string, Forgery> = {
  'alg none': (key) => forge({ ...goodHeader(key), alg: 'none' }, goodClaims, undefined),
  'HS256 with the public key as secret': (key) => {
    const text = `${base64({ ...goodHeader(key), alg: 'HS256' })}.${base64(goodClaims)}`;
    return `${text}.${Buffer.from(publicPem(key)).toString('base64url')}`;
  },
  'a stranger’s key under our key id': (key) => forge(goodHeader(key), goodClaims, stranger.privateKey),
  'its own jwk': () =>
    forge(
      { alg: 'EdDSA', typ: 'JWT', kid: stranger.id, jwk: stranger.publicKey.export({ format: 'jwk' }) },
      goodClaims,
      stranger.privateKey,
    ),
  'a jwk beside our good signature': (key) =>
    forge({ ...goodHeader(key), jwk: key.publicKey.export({ format: 'jwk' }) }, goodClaims, key.privateKey),
  'a jku': (key) => forge({ ...goodHeader(key), jku: 'https://evil.example/keys' }, goodClaims, key.privateKey),
  'an unknown crit': (key) => forge({ ...goodHeader(key), crit: ['exotic'], exotic: true }, goodClaims, key.privateKey),
  'no key id': (key) => forge({ alg: 'EdDSA', typ: 'JWT' }, goodClaims, key.privateKey),
  'another audience': (key) => forge(goodHeader(key), { ...goodClaims, aud: 'other' }, key.privateKey),
  'another issuer': (key) => forge(goodHeader(key), { ...goodClaims, iss: 'other' }, key.privateKey),
  'no expiry': (key) => forge(goodHeader(key), { ...goodClaims, exp: undefined }, key.privateKey),
  'an expiry in the past': (key) => forge(goodHeader(key), { ...goodClaims, exp: seconds - 10 }, key.privateKey),
  'a beginning in the future': (key) => forge(goodHeader(key), { ...goodClaims, nbf: seconds + 60 }, key.privateKey),
  'no subject': (key) => forge(goodHeader(key), { ...goodClaims, sub: undefined }, key.privateKey),
  'grants of another shape': (key) =>
    forge(goodHeader(key), { ...goodClaims, access: [{ type: 'everything' }] }, key.privateKey),
  'claims changed after signing': (key) => {
    const [header, , signature] = forge(goodHeader(key), goodClaims, key.privateKey).split('.');
    return `${header}.${base64({ ...goodClaims, sub: 'root' })}.${signature}`;
  },
  'no token at all': () => 'hello',
};

for (const [what, make] of Object.entries(forgeries)) {
  test(`refused: ${what}`, async () => {
    const { tokens, key } = setUp();
    const token = make(key);
    assert.equal(await tokens.verify(token), undefined);
    assert.equal(await tokens.verify(token), undefined, 'also the second time');
  });
}

const operatorClaims = {
  iss: 'ne-registry-operator',
  aud: 'ns/main',
  sub: 'operator',
  iat: seconds,
  exp: seconds + 60,
};
const operatorHeader = { alg: 'EdDSA', typ: 'JWT' };

function operatorTrust(key: SigningKey) {
  return { keys: [readVerificationKey(publicPem(key), 'admin.pub')], audience: 'ns/main' };
}

test('an operator token is good for its registry and five minutes at most', async () => {
  const key = readSigningKey(newSigningKey(), 'operator');
  const check = (claims: object, signer = key) =>
    verifyOperatorToken(forge(operatorHeader, claims, signer.privateKey), operatorTrust(key), start);
  assert.equal(await check(operatorClaims), 'operator');
  assert.equal(await check({ ...operatorClaims, aud: 'ns/other' }), undefined);
  assert.equal(await check({ ...operatorClaims, iss: 'ne-registry' }), undefined);
  assert.equal(await check({ ...operatorClaims, exp: seconds + 3600 }), undefined);
  assert.equal(await check({ ...operatorClaims, iat: seconds + 3500, exp: seconds + 3600 }), undefined);
  assert.equal(await check({ ...operatorClaims, exp: undefined }), undefined);
  assert.equal(await check({ ...operatorClaims, iat: undefined }), undefined);
  assert.equal(await check(operatorClaims, stranger), undefined);
});

test('a user token is no operator token, even when one key signed both', async () => {
  const { key, tokens } = setUp();
  const { token } = await tokens.issue({ subject: 'operator', stamp: '' }, []);
  assert.equal(await verifyOperatorToken(token, { keys: [key], audience: 'reg.example' }, start), undefined);
});

test('keys that are not Ed25519, or the private half where the public belongs, are refused by name', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
  assert.throws(
    () => readSigningKey(rsa, 'keys/token.key'),
    /keys\/token.key: the key is of type rsa; it must be Ed25519/,
  );
  assert.throws(() => readSigningKey('nonsense', 'keys/token.key'), /keys\/token.key: is not a PKCS#8 PEM private key/);
  assert.throws(() => readVerificationKey(newSigningKey(), 'admin.pub'), /admin.pub: this is a private key/);
});
