import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fatal } from '../../../src/platform/fatal.ts';
import { documentFromFlags, parseDocument } from '../../../src/registry/config.ts';

const good = `apiVersion: bootstrap.ne-registry.io/v1alpha1
kind: RegistryBootstrap
generation: 7
storage:
  filesystem:
    path: /data
`;

async function problemOf(text: string): Promise<string> {
  try {
    await parseDocument(text, 'config.yaml');
  } catch (error) {
    assert.ok(error instanceof Fatal);
    assert.equal(error.exitCode, 2);
    assert.doesNotMatch(error.message, /\n/, 'one line');
    return error.message;
  }
  throw new Error('the document was taken');
}

test('a short document is filled in with defaults', async () => {
  const document = await parseDocument(good, 'config.yaml');
  assert.equal(document.generation, 7);
  assert.equal(document.auth.anonymous, 'None');
  assert.equal(document.listen.api, ':5000');
});

test('JSON is YAML', async () => {
  const document = await parseDocument(
    JSON.stringify({
      apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
      kind: 'RegistryBootstrap',
      storage: { filesystem: { path: '/d' } },
    }),
    'c',
  );
  assert.equal(document.storage.filesystem?.path, '/d');
});

test('JSON that is wrong is told with its line as well', async () => {
  const document = `{
  "apiVersion": "bootstrap.ne-registry.io/v1alpha1", "kind": "RegistryBootstrap",
  "storage": {"filesystem": {"path": "/d"}},
`;
  assert.match(await problemOf(`${document}  "listne": {}\n}`), /line 4: listne: this key is not known/);
  assert.match(await problemOf(`${document}  "kind": "RegistryBootstrap"\n}`), /line 4: .*unique/);
  assert.match(await problemOf(`${document}`), /line \d/);
});

const bad: Record<string, { text: string; says: RegExp }> = {
  'an unknown key, with its line': {
    text: `${good}colour: blue\n`,
    says: /config\.yaml is malformed: line 7: colour: this key is not known/,
  },
  'an unknown key further down': {
    text: `${good}auth:\n  anonimous: Pull\n`,
    says: /line 8: auth\.anonimous: this key is not known/,
  },
  'a key that is there twice': { text: `${good}generation: 8\n`, says: /line 7: Map keys must be unique/ },
  'a value of the wrong type': { text: `${good}drainSeconds: soon\n`, says: /line 7: drainSeconds: .*expected number/ },
  'a missing key, with the line of its parent': {
    text: good.replace('path: /data', 'other: 1'),
    says: /storage\.filesystem\.path/,
  },
  'a word that is none of the choices': {
    text: `${good}auth:\n  anonymous: pull\n`,
    says: /line 8: auth\.anonymous: .*"None"\|"Pull"\|"Push"/,
  },
  'an address that is none': {
    text: `${good}listen: {api: nowhere}\n`,
    says: /line 7: listen\.api: must be "host:port"/,
  },
  'workers of their own on a file system': {
    text: `${good}workers: {run: None}\n`,
    says: /line 7: workers\.run: can only be InPod where storage\.s3 and metadata\.postgres are not both given/,
  },
  'no worker at all': { text: `${good}workers: {concurrency: 0}\n`, says: /line 7: workers\.concurrency: / },
  'broken YAML': { text: `${good}auth: {anonymous: Pull\n`, says: /line \d+: / },
  'an empty file': { text: '', says: /the document: .*expected object/ },
  'two documents': { text: `${good}---\n${good}`, says: /malformed/ },
  'a billion laughs': {
    text: `a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n${good}`,
    says: /aliases are not taken/,
  },
  'a prototype': { text: `${good}__proto__: {}\n`, says: /__proto__: this key is not known/ },
};

for (const [what, { text, says }] of Object.entries(bad)) {
  test(`refused and named: ${what}`, async () => {
    assert.match(await problemOf(text), says);
  });
}

test('every problem is told at once', async () => {
  const problem = await problemOf(`${good}colour: blue\ndrainSeconds: -1\n`);
  assert.match(problem, /colour/);
  assert.match(problem, /drainSeconds/);
});

test('flags become a document', () => {
  const document = documentFromFlags({
    data: '/d',
    listen: '127.0.0.1:0',
    anonymous: 'pull',
    htpasswd: ['a', 'b'],
    logLevel: 'debug',
  });
  assert.equal(document.storage.filesystem?.path, '/d');
  assert.equal(document.listen.api, '127.0.0.1:0');
  assert.equal(document.auth.anonymous, 'Pull');
  assert.deepEqual(document.auth.htpasswdFiles, ['a', 'b']);
  assert.equal(document.tls, undefined);
});

test('a wrong flag is named as it was written', () => {
  assert.throws(() => documentFromFlags({ data: '/d', listen: 'nowhere' }), /--listen: must be "host:port"/);
  assert.throws(() => documentFromFlags({ data: '' }), /--data: /);
  assert.throws(() => documentFromFlags({ data: '/d', tlsCert: 'c' }), /--tls-cert and --tls-key go together/);
});
