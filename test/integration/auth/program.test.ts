import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { run, startServer } from '../registry/server.ts';
import { writeCertificate } from './certificate.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ne-registry-program-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const serve = (...flags: string[]) => run(['serve', '--listen', '127.0.0.1:0', ...flags]);

/** The end must be told twice: one JSON line in the log, and the same text on stderr. */
async function endsWith(ended: Awaited<ReturnType<typeof run>>, expected: { code: number; says: RegExp }) {
  assert.equal(ended.code, expected.code, ended.stderr);
  assert.match(ended.stderr, expected.says);
  const text = ended.stderr.trim().replace(/^ne-registry: /, '');
  const lines = ended.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: string; msg: string });
  assert.deepEqual(
    lines.map(({ level, msg }) => ({ level, msg })),
    [{ level: 'fatal', msg: text }],
  );
}

test('a port in use: which address, and what to do', async (context) => {
  const other = createServer().listen(0, '127.0.0.1');
  context.after(() => other.close());
  await once(other, 'listening');
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const ended = await run(['serve', '--data', folder, '--listen', address]);
  await endsWith(ended, {
    code: 1,
    says: new RegExp(`cannot listen on ${address}: the port is in use by another program; stop that one`),
  });
});

test('a data directory that cannot be made', async () => {
  writeFileSync(join(folder, 'file'), '');
  await endsWith(await serve('--data', join(folder, 'file', 'data')), {
    code: 1,
    says: /the data directory .*file\/data is not a directory; name another with --data/,
  });
  await endsWith(await serve('--data', '/sys/ne-registry'), {
    code: 1,
    says: /the data directory \/sys\/ne-registry (cannot be written by user id \d+|is on a read-only file system)/,
  });
});

test('a data directory that another registry uses', async (context) => {
  const first = await startServer();
  context.after(() => first.discard());
  await endsWith(await serve('--data', first.data), { code: 1, says: /is in use by process \d+/ });
});

test('a damaged database', async (context) => {
  const server = await startServer();
  context.after(() => server.discard());
  assert.equal(await server.stop(), 0);
  writeFileSync(join(server.data, 'metadata.db'), randomBytes(8192));
  await endsWith(await serve('--data', server.data), {
    code: 1,
    says: /metadata\.db is damaged.*restore the newest backup/,
  });
});

test('a malformed configuration: file, line, key', async () => {
  const file = join(folder, 'config.yaml');
  writeFileSync(
    file,
    `apiVersion: bootstrap.ne-registry.io/v1alpha1\nkind: RegistryBootstrap\nstorage: {filesystem: {path: ${folder}}}\ncolour: blue\n`,
  );
  await endsWith(await run(['serve', '--config', file]), {
    code: 2,
    says: /config\.yaml is malformed: line 4: colour: this key is not known/,
  });
});

test('a configuration, a password file, a certificate that is not there', async () => {
  await endsWith(await run(['serve', '--config', join(folder, 'none')]), {
    code: 2,
    says: /none is not there; check the path/,
  });
  await endsWith(await serve('--data', folder, '--htpasswd', join(folder, 'none')), {
    code: 2,
    says: /htpasswd file .*none is not there/,
  });
  const tls = ['--tls-cert', join(folder, 'a'), '--tls-key', join(folder, 'b')];
  await endsWith(await serve('--data', folder, ...tls), { code: 2, says: /TLS certificate .*a is not there/ });
});

test('a key that belongs to another certificate', async () => {
  writeCertificate(folder, 'first');
  const cert = readFileSync(join(folder, 'tls.crt'));
  writeCertificate(folder, 'second');
  writeFileSync(join(folder, 'tls.crt'), cert);
  const tls = ['--tls-cert', join(folder, 'tls.crt'), '--tls-key', join(folder, 'tls.key')];
  await endsWith(await serve('--data', join(folder, 'data'), ...tls), {
    code: 2,
    says: /are no pair of certificate and key/,
  });
});

test('a token key that was damaged', async () => {
  await run(['admin', 'create-user', 'a', '--data', folder]);
  writeFileSync(join(folder, 'token.key'), 'damaged');
  await endsWith(await serve('--data', folder), { code: 2, says: /token\.key: is not a PKCS#8 PEM private key/ });
});

for (const [what, args, says] of [
  ['no data directory', ['serve'], /serve needs --data DIR/],
  ['an option that is not known', ['serve', '--colour'], /unknown option '--colour'/],
  ['an address that is none', ['serve', '--data', 'd', '--listen', 'nowhere'], /--listen: must be "host:port"/],
  ['a file and flags', ['serve', '--config', 'f', '--data', 'd'], /cannot be used with option '--data/],
  [
    'an anonymous access that is none',
    ['serve', '--data', 'd', '--anonymous', 'all'],
    /Allowed choices are none, pull, push/,
  ],
  ['a command that is none', ['sevre'], /unknown command 'sevre'/],
] as const) {
  test(`the command line is wrong: ${what}`, async () => {
    const ended = await run(args);
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, says);
  });
}

test('help has examples, and version says the version', async () => {
  const help = await run(['serve', '--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Examples:\n {2}\$ ne-registry/);
  assert.match((await run(['version'])).stdout, /^ne-registry \d+\.\d+\.\d+\n$/);
});

test('SIGTERM ends it with 0; a user made meanwhile is known without a restart', async (context) => {
  const server = await startServer();
  context.after(() => server.discard());
  const made = await run(['admin', 'create-user', 'late', '--data', server.data]);
  assert.equal(made.code, 0);
  const authorization = `Basic ${Buffer.from(`late:${made.stdout.trim()}`).toString('base64')}`;
  const status = async () => (await fetch(`${server.url}/v2/`, { headers: { authorization } })).status;
  process.kill(server.pid, 'SIGHUP');
  const deadline = Date.now() + 60_000;
  while ((await status()) !== 200 && Date.now() < deadline) await setTimeout(100);
  assert.equal(await status(), 200);
  assert.equal(await server.stop(), 0);
});

test('what is logged holds no password and no token', async (context) => {
  const server = await startServer({ flags: ['--log-level', 'debug'] });
  context.after(() => server.discard());
  const { authorization } = server;
  const { token } = (await (
    await fetch(`${server.url}/token?scope=repository:a:pull`, { headers: { authorization } })
  ).json()) as { token: string };
  await fetch(`${server.url}/v2/a/tags/list`, { headers: { authorization: `Bearer ${token}` } });
  await server.stop();
  const log = server.log.join('\n');
  assert.ok(log.length > 0);
  for (const secret of [server.password, authorization.slice(6), token.slice(-40)]) assert.ok(!log.includes(secret));
});

test('create-user prints a new password once, keeps other lines, and leaves a file that only its owner reads', async () => {
  const file = join(folder, 'users');
  const first = await run(['admin', 'create-user', 'a', '--htpasswd', file]);
  assert.match(first.stdout, /^[0-9a-f]{32}\n$/);
  const line = readFileSync(file, 'utf8');
  const second = await run(['admin', 'create-user', 'b', '--htpasswd', file, '--password-stdin'], 'correct horse\n');
  assert.equal(second.stdout, '');
  assert.ok(readFileSync(file, 'utf8').startsWith(line));
  await run(['admin', 'create-user', 'a', '--htpasswd', file]);
  const names = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((entry) => entry.split(':')[0]);
  assert.deepEqual(names, ['b', 'a']);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

for (const [what, args, input] of [
  ['a short password', ['a', '--password-stdin'], 'short'],
  ['a password that bcrypt would cut', ['a', '--password-stdin'], 'x'.repeat(73)],
  ['a name with a colon', ['a:b'], ''],
  ['the name of nobody', ['anonymous'], ''],
] as const) {
  test(`create-user refuses ${what}, and writes nothing`, async () => {
    const file = join(folder, 'users');
    const ended = await run(['admin', 'create-user', ...args, '--htpasswd', file], input);
    assert.equal(ended.code, 2);
    assert.ok(!existsSync(file));
  });
}

interface Report {
  blobs: number;
  findings: { what: string; problem: string; remedy: string }[];
}

test('check finds a blob that is missing, cut or changed, and says what to do', async (context) => {
  const server = await startServer();
  context.after(() => server.discard());
  const bytes = randomBytes(1000);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const headers = { authorization: server.authorization, 'content-type': 'application/octet-stream' };
  const pushed = await fetch(`${server.url}/v2/a/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    headers,
    body: bytes,
  });
  const begun = pushed.headers.get('location') ?? '';
  if (pushed.status === 202) {
    const url = new URL(begun, server.url);
    url.searchParams.set('digest', digest);
    assert.equal((await fetch(url, { method: 'PUT', headers, body: bytes })).status, 201);
  }
  const check = async (...flags: string[]) => {
    const { code, stdout } = await run(['admin', 'check', '--data', server.data, '--output', 'json', ...flags]);
    return { code, report: JSON.parse(stdout) as Report };
  };
  const sound = await check('--rehash');
  assert.equal(sound.code, 0, 'beside a running registry');
  assert.equal(sound.report.blobs, 1);
  await server.stop();

  const file = blobFile(server.data, bytes.length);
  const changed = Buffer.from(bytes);
  changed[500] = (changed[500] ?? 0) ^ 1;
  writeFileSync(file, changed);
  assert.equal((await check()).code, 0, 'only hashing finds a changed byte');
  assert.match((await check('--rehash')).report.findings[0]?.problem ?? '', /do not have its digest/);
  truncateSync(file, 10);
  assert.match((await check()).report.findings[0]?.problem ?? '', /has 10 bytes and should have 1000/);
  rmSync(file);
  const missing = await check();
  assert.equal(missing.code, 1);
  assert.match(missing.report.findings[0]?.problem ?? '', /bytes are missing/);
  assert.match(missing.report.findings[0]?.remedy ?? '', /push an image that has this layer again/);
});

function blobFile(data: string, size: number): string {
  const found = readdirSync(join(data, 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .find((path) => statSync(path).size === size);
  if (found === undefined) throw new Error('there is no such file');
  return found;
}

test('check of a damaged database, and of a directory that holds none', async () => {
  writeFileSync(join(folder, 'metadata.db'), randomBytes(4096));
  const damaged = await run(['admin', 'check', '--data', folder]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stdout, /database .*metadata\.db: .*not an SQLite database/);
  const none = await run(['admin', 'check', '--data', join(folder, 'none')]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /there is no registry in/);
});
