import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import bcrypt from 'bcrypt';
import { completeAdministrator } from '../../../src/operator/registry/administrator.ts';
import { generateKeys, readKeys } from '../../../src/operator/registry/keys.ts';

test('the first administrator gets 32 random characters and a hash that fits', async () => {
  const one = await completeAdministrator({});
  const other = await completeAdministrator({});
  assert.equal(one.password.length, 32);
  assert.notEqual(one.password, other.password);
  const [name, hash] = one.htpasswd.trim().split(':');
  assert.equal(name, 'admin');
  assert.ok(await bcrypt.compare(one.password, hash ?? ''));
  assert.ok(!one.htpasswd.includes(one.password));
});

test('what fits is kept, and a password that a person put there gets its hash', async () => {
  const made = await completeAdministrator({});
  assert.deepEqual(await completeAdministrator({ ...made }), made);
  const changed = await completeAdministrator({ ...made, password: 'correct horse battery staple' });
  assert.equal(changed.password, 'correct horse battery staple');
  assert.ok(await bcrypt.compare(changed.password, changed.htpasswd.trim().split(':')[1] ?? ''));
  const renamed = await completeAdministrator({ ...made, username: 'root' });
  assert.match(renamed.htpasswd, /^root:\$2/);
  const injected = await completeAdministrator({ ...made, username: 'a:b\nc' });
  assert.equal(injected.username, 'admin');
});

test('keys are Ed25519, two different pairs, and read back', () => {
  const keys = generateKeys();
  assert.deepEqual(readKeys({ ...keys }), keys);
  assert.equal(createPrivateKey(keys['token.key']).asymmetricKeyType, 'ed25519');
  assert.ok(createPublicKey(keys['admin.key']).equals(createPublicKey(keys['admin.pub'])));
  assert.ok(!createPublicKey(keys['token.key']).equals(createPublicKey(keys['admin.pub'])));
});

test('a damaged key is named', () => {
  const keys = generateKeys();
  assert.deepEqual(readKeys({}), { damaged: 'admin.key' });
  assert.deepEqual(readKeys({ ...keys, 'token.key': 'x' }), { damaged: 'token.key' });
  assert.deepEqual(readKeys({ ...keys, 'admin.pub': generateKeys()['admin.pub'] }), { damaged: 'admin.pub' });
});
