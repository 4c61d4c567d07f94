import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { newSigningKey } from '../../../src/registry/auth/signing-key.ts';
import { Reloader } from '../../../src/registry/reload.ts';
import { readSettings, type Settings } from '../../../src/registry/settings.ts';

const hash = `$2b$04$${'a'.repeat(53)}`;
let folder: string;
let applied: Settings[];
let results: string[];
let lines: { level: string; message: string; fields: object }[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ne-registry-reload-'));
  applied = [];
  results = [];
  lines = [];
  writeFileSync(join(folder, 'token.key'), newSigningKey());
  writeFileSync(join(folder, 'users'), `alice:${hash}\n`);
});
afterEach(() => rmSync(folder, { recursive: true }));

function document(more = ''): string {
  return `apiVersion: bootstrap.ne-registry.io/v1alpha1
kind: RegistryBootstrap
storage: {filesystem: {path: ${folder}}}
auth: {htpasswdFiles: [${join(folder, 'users')}]}
${more}`;
}

async function running(text = document('generation: 1\n')) {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, text);
  const source = { file };
  const log = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields });
  const reloader = new Reloader({
    source,
    first: await readSettings(source),
    log: { info: log('info'), error: log('error') },
    apply: (next) => void applied.push(next),
    onResult: (result) => void results.push(result),
  });
  return { reloader, file };
}

test('nothing happens while the files stay the same', async () => {
  const { reloader } = await running();
  const before = reloader.current;
  await reloader.check();
  assert.equal(reloader.current, before);
  assert.deepEqual([applied, results, lines], [[], [], []]);
});

test('a new document runs, with its generation', async () => {
  const { reloader, file } = await running();
  writeFileSync(file, document('generation: 2\nlimits: {manifestBytes: 5000000}\ntrustedProxies: [10.0.0.0/8]\n'));
  await reloader.check();
  const { document: now, proxies } = reloader.current;
  assert.equal(now.generation, 2);
  assert.equal(now.limits.manifestBytes, 5_000_000);
  assert.ok(proxies.has('10.1.1.1'));
  assert.deepEqual(results, ['taken']);
  assert.equal(applied.length, 1);
});

test('a file that the document names counts like the document: users come and go', async () => {
  const { reloader } = await running();
  writeFileSync(join(folder, 'users'), `bob:${hash}\n`);
  await reloader.check();
  assert.equal(reloader.current.users.get('alice'), undefined);
  assert.equal(reloader.current.users.get('bob')?.role, 'user');
});

test('a Secret that Kubernetes swaps by symbolic link is seen', async () => {
  for (const [name, generation] of [
    ['one', 1],
    ['two', 2],
  ] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'config.yaml'), document(`generation: ${generation}\n`));
  }
  symlinkSync('one', join(folder, '..data'));
  const file = join(folder, '..data', 'config.yaml');
  const first = await readSettings({ file });
  const reloader = new Reloader({
    source: { file },
    first,
    log: { info: () => undefined, error: () => undefined },
    apply: () => undefined,
    onResult: () => undefined,
  });
  symlinkSync('two', join(folder, '..tmp'));
  renameSync(join(folder, '..tmp'), join(folder, '..data'));
  await reloader.check();
  assert.equal(reloader.current.document.generation, 2);
});

test('users from the data directory appear with the file', async () => {
  const { reloader } = await running();
  writeFileSync(join(folder, 'htpasswd'), `carol:${hash}\n`);
  await reloader.check();
  assert.ok(reloader.current.users.get('carol'));
});

for (const [what, break_] of Object.entries({
  'a malformed document': (file: string) => writeFileSync(file, 'nonsense: ['),
  'an unknown key': (file: string) => writeFileSync(file, document('colour: blue\n')),
  'a missing document': (file: string) => rmSync(file),
  'a broken htpasswd file': () => writeFileSync(join(folder, 'users'), 'alice:plain\n'),
  'a missing htpasswd file': () => rmSync(join(folder, 'users')),
  'a token key that is none': () => writeFileSync(join(folder, 'token.key'), 'none'),
  'a proxy that is no CIDR': (file: string) => writeFileSync(file, document('trustedProxies: [everywhere]\n')),
})) {
  test(`${what} keeps the running settings whole, is logged once and counted`, async () => {
    const { reloader, file } = await running();
    const before = reloader.current;
    break_(file);
    await reloader.check();
    await reloader.check();
    assert.equal(reloader.current, before);
    assert.deepEqual(results, ['failed']);
    assert.equal(lines.length, 1);
    assert.match(lines[0]?.message ?? '', /cannot be used, the one before keeps running: .+/);
  });
}

test('after a failure the old content counts as well again, and the next good one is taken', async () => {
  const { reloader, file } = await running();
  writeFileSync(file, 'nonsense: [');
  await reloader.check();
  writeFileSync(file, document('generation: 1\n'));
  await reloader.check();
  assert.deepEqual(results, ['failed', 'taken']);
  writeFileSync(file, document('generation: 2\n'));
  await reloader.check();
  assert.equal(reloader.current.document.generation, 2);
});

test('what needs a restart keeps its running value and the old generation; all else is taken over', async () => {
  const { reloader, file } = await running();
  writeFileSync(file, document('generation: 2\nlisten: {api: ":6000"}\nlogging: {level: debug}\n'));
  await reloader.check();
  const now = reloader.current.document;
  assert.equal(now.listen.api, ':5000');
  assert.equal(now.generation, 1);
  assert.equal(now.logging.level, 'debug');
  assert.match(lines[0]?.message ?? '', /a change of listen needs a restart/);
  await reloader.check();
  assert.equal(lines.length, 1, 'said once');
});

test('how much is done at once changes while it runs, whether anything is done does not', async () => {
  const stores = `storage: {s3: {bucket: images}}
metadata: {postgres: {secretDirectory: ${folder}}}`;
  const shared = (workers: string) =>
    document(`auth: {token: {privateKeyFile: ${join(folder, 'token.key')}}}\nworkers: ${workers}\n`)
      .replace(/storage: .*/, stores)
      .replace(/auth: \{htpasswd.*\n/, '');
  const { reloader, file } = await running(shared('{run: None}'));
  writeFileSync(file, shared('{run: None, concurrency: 9}'));
  await reloader.check();
  assert.deepEqual(reloader.current.document.workers, { run: 'None', concurrency: 9 });
  writeFileSync(file, shared('{run: Only, concurrency: 2}'));
  await reloader.check();
  assert.deepEqual(reloader.current.document.workers, { run: 'None', concurrency: 2 });
  assert.match(lines.at(-1)?.message ?? '', /a change of workers\.run needs a restart/);
});

test('another storage path is not even looked at', async () => {
  const { reloader, file } = await running();
  writeFileSync(file, document('generation: 2\n').replace(`path: ${folder}`, 'path: /nowhere'));
  await reloader.check();
  assert.equal(reloader.current.document.storage.filesystem?.path, folder);
  assert.match(lines[0]?.message ?? '', /a change of storage needs a restart/);
});

test('settings that cannot be applied do not run', async () => {
  const { file } = await running();
  const source = { file };
  const first = await readSettings(source);
  const reloader = new Reloader({
    source,
    first,
    log: { info: () => undefined, error: () => undefined },
    apply: () => {
      throw new Error('no');
    },
    onResult: (result) => void results.push(result),
  });
  writeFileSync(file, document('generation: 2\n'));
  await reloader.check();
  assert.equal(reloader.current, first);
  assert.deepEqual(results, ['failed']);
});
