/** The bundle, away from the checkout: no sources, no node_modules, as in the image. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
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

test('serving loads nothing of the operator, and the operator nothing of serving', async () => {
  const reach = (from: RegExp): string => {
    const inputs = Object.entries(built.metafile.outputs).filter(([, output]) => from.test(output.entryPoint ?? ''));
    return inputs.flatMap(([, output]) => Object.keys(output.inputs)).join('\n');
  };
  assert.doesNotMatch(reach(/src\/main\.ts$/), /node_modules\/(@kubernetes|express)\//);
});

test('the bundle is small enough to read', () => {
  const total = Object.values(built.files).reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(total < 8 * MiB, `${total} bytes`);
});
