import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const check = (...folders: string[]) =>
  spawnSync(process.execPath, [join(ROOT, 'build/generate-types.ts'), '--check', ...folders], { encoding: 'utf8' });

test('the types of the custom resources are those of crds/', () => {
  const { status, stderr } = check();
  assert.equal(status, 0, stderr);
});

test('a definition that changed without its types is noticed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ne-types-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, 'crds'), folder, { recursive: true });
  const file = join(folder, 'ne-registry.io_registries.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('enum: [Retain, Delete]', 'enum: [Retain, Delete, Forget]'));

  const { status, stderr } = check(folder, join(ROOT, 'src/api/v1alpha1'));

  assert.equal(status, 1);
  assert.match(stderr, /registry\.gen\.ts; run `npm run generate`/);
  assert.doesNotMatch(stderr, /retention-policy/);
});

test('types of a kind that is gone are noticed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ne-types-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, 'crds'), folder, { recursive: true });
  rmSync(join(folder, 'ne-registry.io_retentionpolicies.yaml'));

  const { status, stderr } = check(folder, join(ROOT, 'src/api/v1alpha1'));

  assert.equal(status, 1);
  assert.match(stderr, /retention-policy\.gen\.ts/);
});
