/** The bundle, away from the checkout: no sources, no node_modules, as in the image. */
import assert from 'node:assert/strict';
import { appendFile, cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Bundle, bundle } from '../../../build/bundle.ts';
import { attempt, type CommandResult } from '../../e2e/cluster/command.ts';

const MiB = 1024 * 1024;
let built: Bundle;

before(async () => {
  built = await bundle(await mkdtemp(join(tmpdir(), 'ne-bundle-')));
});

after(async () => await rm(built.folder, { recursive: true, force: true }));

async function program(name: string, args: readonly string[]): Promise<CommandResult> {
  return await attempt(process.execPath, [join(built.folder, `${name}.js`), ...args], { cwd: tmpdir() });
}

// First: whoever starts a program and may write here adds to what is compiled, for itself alone.
test('what is compiled may be read by whom the image runs it as', async () => {
  const folder = join(built.folder, 'compiled');
  const entries = await readdir(folder, { recursive: true });
  assert.ok(entries.length > 10, entries.join(', '));
  for (const name of entries) assert.ok(((await stat(join(folder, name))).mode & 0o004) !== 0, name);
});

test('both programs start and know their version', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  for (const [name, args] of [
    ['ne-registry', ['version']],
    ['ne-cli', ['--version']],
  ] as const) {
    const { code, stdout, stderr } = await program(name, args);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(version), `${name}: ${stdout}`);
  }
});

test('threads have files of their own, and no file names a source', async () => {
  const threads = Object.keys(built.files).filter((name) => name.endsWith('-thread.js'));
  assert.ok(threads.length > 0);
  for (const name of Object.keys(built.files)) {
    assert.doesNotMatch(
      await readFile(join(built.folder, name), 'utf8'),
      /new URL\("[^"]+\.ts",import\.meta\.url\)/,
      name,
    );
  }
});

/** The files that a program may come to load, itself included. */
async function reached(program: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const pending = [program]; pending.length > 0; ) {
    const name = pending.pop() as string;
    if (found.has(name)) continue;
    const text = await readFile(join(built.folder, name), 'utf8');
    found.set(name, text);
    for (const [, next = ''] of text.matchAll(/(?:from|import|import\()"\.\/([^"]+\.js)"/g)) pending.push(next);
  }
  return found;
}

test('a program has each class of error once: what one file throws is known to the others', async () => {
  const files = await reached('registry-program.js');
  assert.ok([...files.keys()].some((name) => name.startsWith('s3-')));
  for (const error of ['StoreError', 'Refusal', 'TransferError']) {
    const defining = [...files].filter(([, text]) => text.includes(`this.name="${error}"`)).map(([name]) => name);
    assert.equal(defining.length, 1, `${error}: ${defining.join(', ')}`);
  }
});

test('serving loads nothing of the operator, and the operator nothing of serving', async () => {
  const reach = (from: RegExp): string => {
    const inputs = Object.entries(built.metafile.outputs).filter(([, output]) => from.test(output.entryPoint ?? ''));
    return inputs.flatMap(([, output]) => Object.keys(output.inputs)).join('\n');
  };
  assert.doesNotMatch(reach(/src\/main\.ts$/), /node_modules\/(@kubernetes|express)\//);
});

/** What Node says of its compile cache: the files that are loaded, and whether their compiled form was taken. */
async function loadedFiles(folder: string): Promise<Map<string, boolean>> {
  const { code, stdout, stderr } = await attempt(
    process.execPath,
    [join(folder, 'ne-registry.js'), 'serve', '--data'],
    {
      cwd: tmpdir(),
      env: { ...process.env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
    },
  );
  assert.equal(code, 2, 'the option has no value, and the command line is refused');
  const lines = `${stdout}${stderr}`.matchAll(/code cache for \w+ file:\/\/\S*\/(\S+) was (accepted|.*?),/g);
  return new Map([...lines].map(([, file = '', result]) => [file, result === 'accepted']));
}

test('what a program loads is found compiled, also in another place', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'ne-bundle-moved-'));
  try {
    await cp(built.folder, elsewhere, { recursive: true });
    for (const folder of [built.folder, elsewhere]) {
      const loaded = await loadedFiles(folder);
      assert.ok(loaded.has('registry-program.js'), [...loaded.keys()].join(', '));
      assert.deepEqual(
        [...loaded].filter(([, accepted]) => !accepted),
        [],
      );
    }
  } finally {
    await rm(elsewhere, { recursive: true, force: true });
  }
});

test('what is compiled may be missing, or belong to other files', async () => {
  const other = await mkdtemp(join(tmpdir(), 'ne-bundle-other-'));
  try {
    await cp(built.folder, other, { recursive: true });
    await appendFile(join(other, 'registry-program.js'), '\n// Not what was compiled.\n');
    assert.equal((await loadedFiles(other)).get('registry-program.js'), false);
    await rm(join(other, 'compiled'), { recursive: true });
    assert.equal((await attempt(process.execPath, [join(other, 'ne-registry.js'), 'version'])).code, 0);
  } finally {
    await rm(other, { recursive: true, force: true });
  }
});

test('a start reads few files: serving is one, and one that it shares with the operator', async () => {
  const texts = await Promise.all(
    ['serve.js', 'common.js'].map(async (name) => await readFile(join(built.folder, name), 'utf8')),
  );
  for (const text of texts) {
    const loads = [...text.matchAll(/(?:from|import)"(\.\/[^"]+)"/g)].map(([, file]) => file);
    assert.deepEqual(
      loads.filter((file) => !['./program.js', './common.js'].includes(file ?? '')),
      [],
    );
  }
});

test('the bundle is small enough to read', () => {
  const total = Object.values(built.files).reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(total < 8 * MiB, `${total} bytes`);
});
