import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { advance, bundle, readAuthority, writeAuthority } from '../../../src/operator/registry/tls/authority.ts';
import { complaint, covers, inspect, signedBy } from '../../../src/operator/registry/tls/inspect.ts';
import { issueServerCertificate, type KeyPair } from '../../../src/operator/registry/tls/issue.ts';
import { leafLife, validity } from '../../../src/operator/registry/tls/rotation.ts';

const now = new Date();
const names = ['registry.bank.example', 'main.registry.svc', '10.1.2.3', 'fd00::7'];
const { authority } = await advance(undefined, 'registry/main registry CA', now);
const leaf = await issueServerCertificate(authority.current, names, validity(now, leafLife));

/** Shakes hands with a server that has `pair`, as a client that trusts `ca` and asks for `servername`. */
async function handshake(pair: KeyPair, ca: string, servername: string): Promise<string | undefined> {
  const server = createServer({ cert: pair.certificate, key: pair.key }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ca, servername });
  try {
    await Promise.race([
      once(socket, 'secureConnect'),
      once(socket, 'error').then(([error]) => {
        throw error;
      }),
    ]);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
    server.close();
  }
}

test('a client that trusts the bundle accepts the certificate for each of its names, and for no other', async () => {
  assert.equal(await handshake(leaf, bundle(authority), 'registry.bank.example'), undefined);
  assert.equal(await handshake(leaf, bundle(authority), 'main.registry.svc'), undefined);
  assert.equal(await handshake(leaf, bundle(authority), 'other.example'), 'ERR_TLS_CERT_ALTNAME_INVALID');
  for (const name of names) assert.ok(covers(leaf.certificate, name), name);
  assert.ok(!covers(leaf.certificate, '10.1.2.4'));
});

test('a client that trusts another authority refuses it', async () => {
  const other = (await advance(undefined, 'other', now)).authority;
  assert.equal(await handshake(leaf, bundle(other), 'registry.bank.example'), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  assert.ok(!signedBy(leaf.certificate, other.current.certificate));
});

test('the authority signs server certificates and no further authorities', () => {
  const ca = new X509Certificate(authority.current.certificate);
  assert.ok(ca.ca);
  assert.ok(!new X509Certificate(leaf.certificate).ca);
  assert.match(ca.subject, /registry\/main/);
  assert.ok(signedBy(leaf.certificate, authority.current.certificate));
});

test('through a whole rotation old and new certificates verify with the bundle', async () => {
  const later = new Date(now.getTime() + 2500 * 24 * 3600 * 1000);
  const announced = await advance(authority, 'x', later);
  assert.deepEqual(announced.steps, ['announce']);
  assert.match(bundle(announced.authority), /CERTIFICATE[\s\S]*CERTIFICATE[\s\S]*CERTIFICATE[\s\S]*CERTIFICATE/);
  assert.equal(announced.authority.current, authority.current);
  const promoted = await advance(announced.authority, 'x', new Date(later.getTime() + 8 * 24 * 3600 * 1000));
  assert.deepEqual(promoted.steps, ['promote']);
  assert.equal(promoted.authority.current.certificate, announced.authority.next?.certificate);
  assert.equal(await handshake(leaf, bundle(promoted.authority), 'main.registry.svc'), undefined);
  const fresh = await issueServerCertificate(promoted.authority.current, names, validity(now, leafLife));
  assert.equal((await handshake(fresh, bundle(promoted.authority), 'main.registry.svc')) ?? 'ok', 'CERT_NOT_YET_VALID');
  const kept = readAuthority(writeAuthority(promoted.authority));
  assert.deepEqual(kept, promoted.authority);
});

test('reading says what is wrong with a certificate, in words', () => {
  assert.equal(complaint(leaf.certificate, leaf.key, now), undefined);
  assert.match(complaint('', leaf.key, now) ?? '', /tls\.crt/);
  assert.match(complaint(leaf.certificate, 'nonsense', now) ?? '', /tls\.key/);
  assert.match(complaint(leaf.certificate, authority.current.key, now) ?? '', /does not belong/);
  assert.match(complaint(leaf.certificate, leaf.key, new Date(now.getTime() + leafLife)) ?? '', /expired/);
  assert.deepEqual(inspect(leaf.certificate)?.names.slice(0, 3), names.slice(0, 3));
  assert.equal(inspect('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'), undefined);
});

test('private keys are PKCS#8 for P-256', () => {
  assert.equal(createPrivateKey(leaf.key).asymmetricKeyDetails?.namedCurve, 'prime256v1');
});
