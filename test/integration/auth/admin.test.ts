import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { newSigningKey, readSigningKey } from '../../../src/registry/auth/signing-key.ts';
import { startTestRegistry, type TestRegistry } from './registry.ts';

const operatorKey = readSigningKey(newSigningKey(), 'operator');
const admin = 'admin: {publicKeyFiles: [FOLDER/admin.pub], audience: ns/main}\n';

async function withOperator(generation = 3): Promise<TestRegistry> {
  const registry = await startTestRegistry();
  writeFileSync(join(registry.folder, 'admin.pub'), operatorKey.publicKey.export({ type: 'spki', format: 'pem' }));
  await registry.configure(`generation: ${generation}\n${admin}`);
  return registry;
}

async function status(registry: TestRegistry, authorization?: string) {
  const response = await fetch(`${registry.url}/admin/v1/status`, { headers: authorization ? { authorization } : {} });
  return { code: response.status, body: (await response.json()) as Record<string, unknown> };
}

function operatorToken(claims: { audience?: string; seconds?: number } = {}): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('ne-registry-operator')
    .setSubject('operator')
    .setAudience(claims.audience ?? 'ns/main')
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + (claims.seconds ?? 60))
    .sign(operatorKey.privateKey);
}

test('the operator reads the status with a token that it signed', async () => {
  await using registry = await withOperator();
  const { code, body } = await status(registry, `Bearer ${await operatorToken()}`);
  assert.equal(code, 200);
  assert.equal(body.generation, 3);
  assert.equal(body.repositories, 0);
  assert.equal(body.users, 2);
  assert.match(String(body.version), /^\d+\.\d+\.\d+/);
  const storage = body.storage as Record<string, number>;
  assert.equal(storage.usedBytes, 0);
  assert.equal(storage.reclaimableBytes, 0);
  assert.ok((storage.freeBytes ?? 0) > 0);
});

test('tokens for another registry, of too long a life, or of users are refused', async () => {
  await using registry = await withOperator();
  const user = (await (
    await fetch(`${registry.url}/token`, { headers: { authorization: registry.basic('admin') } })
  ).json()) as { token: string };
  for (const token of [
    await operatorToken({ audience: 'ns/other' }),
    await operatorToken({ seconds: 3600 }),
    user.token,
    'x',
  ]) {
    assert.equal((await status(registry, `Bearer ${token}`)).code, 401);
  }
});

test('an administrator gets in by password, a user does not, and a stranger is asked', async () => {
  await using registry = await startTestRegistry();
  assert.equal((await status(registry, registry.basic('admin'))).code, 200);
  assert.equal((await status(registry, registry.basic('alice'))).code, 403);
  assert.equal((await status(registry)).code, 401);
  assert.equal((await status(registry, `Bearer ${await operatorToken()}`)).code, 401, 'no operator is configured');
});

test('the generation is the one that runs: a broken document or one that needs a restart does not count', async () => {
  await using registry = await withOperator(3);
  const generation = async () => (await status(registry, registry.basic('admin'))).body.generation;
  await registry.configure(`generation: 4\ncolour: blue\n${admin}`);
  assert.equal(await generation(), 3);
  const fault = async () => (await status(registry, registry.basic('admin'))).body.settingsFault;
  assert.match(String(await fault()), /config\.yaml is malformed.*colour/);
  await registry.configure(`generation: 5\nmetadata: {sqlite: {}}\n${admin}`);
  assert.equal(await generation(), 5);
  assert.equal(await fault(), undefined);
});

test('a path that nobody knows is 404 with an error body, and the framework does not name itself', async () => {
  await using registry = await startTestRegistry();
  const response = await fetch(`${registry.url}/nowhere`);
  assert.equal(response.status, 404);
  assert.equal(response.headers.get('x-powered-by'), null);
  assert.ok(Array.isArray(((await response.json()) as { errors: unknown }).errors));
});

test('metrics and health are on the management listener and not on the API', async () => {
  await using registry = await startTestRegistry();
  for (const path of ['/metrics', '/healthz', '/readyz']) {
    assert.equal((await fetch(registry.managementUrl + path)).status, 200, path);
    assert.equal((await fetch(registry.url + path)).status, 404, path);
  }
  await fetch(`${registry.url}/v2/`);
  const text = await (await fetch(`${registry.managementUrl}/metrics`)).text();
  assert.match(text, /ne_registry_http_requests_total\{method="GET",route="base",code="401"\} 1/);
  assert.match(text, /ne_registry_bytes_total\{direction="sent"\} [1-9]/);
  assert.match(text, /ne_storage_free_bytes [1-9]/);
});
