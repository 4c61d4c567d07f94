/** The Secret of CloudNativePG, and the addresses of libpq, as they are read. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSecret } from '../../../src/registry/metadata/postgres/secret.ts';

async function read(keys: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'ne-registry-secret-'));
  try {
    for (const [key, value] of Object.entries(keys)) await writeFile(join(folder, key), value);
    return await readSecret(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('single keys are enough, with a line feed after them or not', async () => {
  const keys = { host: 'db-rw', port: '5433\n', dbname: 'app', username: 'me\n', password: 'p:@/?#% \n' };
  const expected = {
    hosts: [{ host: 'db-rw', port: 5433 }],
    database: 'app',
    user: 'me',
    password: 'p:@/?#% ',
    writable: true,
  };
  assert.deepEqual(await read(keys), expected);
});

test('a uri wins over single keys, which fill in what it leaves out', async () => {
  const uri =
    'postgresql://u%40x:p%3Aq:r@h1.ns:1,h2,[fe80::1]:3/d%62?sslmode=verify-full&target_session_attrs=read-write';
  assert.deepEqual(await read({ uri, host: 'other', password: 'other' }), {
    hosts: [
      { host: 'h1.ns', port: 1 },
      { host: 'h2', port: 5432 },
      { host: 'fe80::1', port: 3 },
    ],
    database: 'db',
    user: 'u@x',
    password: 'p:q:r',
    tls: 'VerifyFull',
    writable: true,
  });
  const bare = await read({ uri: 'postgres://h', username: 'u', dbname: 'd', password: 'p' });
  assert.deepEqual([bare.user, bare.database, bare.password], ['u', 'd', 'p']);
});

test('TLS is never weaker than the uri says, and a standby is taken only where it says so', async () => {
  const at = async (query: string) => read({ uri: `postgres://u:p@h/d?${query}` });
  const modes = { disable: 'Disable', prefer: 'Require', require: 'Require', 'verify-ca': 'VerifyCa' };
  for (const [mode, tls] of Object.entries(modes)) assert.equal((await at(`sslmode=${mode}`)).tls, tls);
  assert.equal((await at('')).tls, undefined);
  assert.equal((await at('target_session_attrs=any')).writable, false);
  await assert.rejects(at('sslmode=perhaps'), { message: /unknown `sslmode`/ });
});

test('what is missing is named, and no secret is told', async () => {
  await assert.rejects(read({ host: 'h', dbname: 'd', password: 'hush' }), { message: /names no user/ });
  await assert.rejects(read({ uri: 'postgres://u:hush@h' }), { message: /names no database/ });
  for (const uri of ['postgres://u:hush@:5/d', 'postgres://u:hush@h:x/d', 'http://u:hush@h/d'])
    await assert.rejects(read({ uri }), (error: Error) => /`uri`/.test(error.message) && !/hush/.test(error.message));
});
