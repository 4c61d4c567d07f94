import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { callerOf, TrustedProxies } from '../../../src/registry/auth/callers.ts';
import { bearerChallenge, isAuthority } from '../../../src/registry/auth/challenge.ts';

function request(peer: string, headers: Record<string, string> = {}, encrypted = false): IncomingMessage {
  return {
    socket: { remoteAddress: peer, encrypted },
    headers: { host: 'reg.example:5000', ...headers },
  } as unknown as IncomingMessage;
}

const settings = { proxies: new TrustedProxies(['10.0.0.0/8', 'fd00::/8']), fallbackAuthority: 'fallback.example' };
const forwarded = {
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-host': 'public.example',
  'x-forwarded-proto': 'https',
};

test('forwarded headers of a stranger count for nothing', () => {
  const caller = callerOf(request('203.0.113.1', forwarded), settings);
  assert.deepEqual(caller, {
    authorization: undefined,
    authority: 'reg.example:5000',
    secure: false,
    address: '203.0.113.1',
  });
});

test('forwarded headers of a trusted proxy count', () => {
  const caller = callerOf(request('::ffff:10.1.2.3', forwarded), settings);
  assert.deepEqual(caller, {
    authorization: undefined,
    authority: 'public.example',
    secure: true,
    address: '203.0.113.9',
  });
});

test('without trusted proxies even a loopback peer is not believed', () => {
  const alone = { ...settings, proxies: new TrustedProxies([]) };
  assert.equal(callerOf(request('127.0.0.1', forwarded), alone).address, '127.0.0.1');
});

const chains: [header: string, address: string][] = [
  ['198.51.100.7, 10.0.0.2', '198.51.100.7'],
  ['1.1.1.1, 198.51.100.7, 10.0.0.2', '198.51.100.7'],
  ['1.1.1.1, nonsense, 10.0.0.2', '10.0.0.2'],
  ['[2001:db8::1]:4711', '2001:db8::1'],
  ['198.51.100.7:4711', '198.51.100.7'],
  ['10.0.0.9, 10.0.0.2', '10.0.0.9'],
  ['', '10.0.0.1'],
];
for (const [header, address] of chains) {
  test(`X-Forwarded-For "${header}" is read from the right: ${address}`, () => {
    assert.equal(callerOf(request('10.0.0.1', { 'x-forwarded-for': header }), settings).address, address);
  });
}

test('a TLS connection is secure, and a host that cannot stand in a realm is replaced', () => {
  const caller = callerOf(request('203.0.113.1', { host: 'evil"x' }, true), settings);
  assert.equal(caller.secure, true);
  assert.equal(caller.authority, 'fallback.example');
});

for (const cidr of ['10.0.0.0/33', 'fd00::/129', 'ten', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1', '']) {
  test(`${JSON.stringify(cidr)} is no CIDR, and the error names it`, () => {
    assert.throws(() => new TrustedProxies([cidr]), {
      message: new RegExp(`^${JSON.stringify(cidr).replace(/[/]/g, '\\/')} is no address`),
    });
  });
}

test('authorities are hosts with a port and nothing else', () => {
  for (const good of ['a', 'reg.example', 'reg.example:5000', '127.0.0.1:80', '[::1]:5000'])
    assert.ok(isAuthority(good), good);
  for (const bad of ['', 'a b', 'a"', 'a/b', 'a@b', 'a:b', 'a\\', 'a\r\nx', '::1', `${'a'.repeat(300)}`])
    assert.ok(!isAuthority(bad), bad);
});

test('a challenge quotes what it is given', () => {
  const challenge = bearerChallenge(
    { authority: 'a', secure: false },
    { service: 'x"y\\z\r\n', error: 'invalid_token' },
  );
  assert.equal(challenge, 'Bearer realm="http://a/token",service="x\\"y\\\\z",error="invalid_token"');
});
