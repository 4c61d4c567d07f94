/** The pages of docs/spec/v1alpha1 say what the definitions and the operator's code say. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { annotations } from '../../../src/operator/registry/names.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const page = (name: string) => readFileSync(join(ROOT, 'docs/spec/v1alpha1', name), 'utf8');

/** The text of every source file below a folder. */
function sources(folder: string): string {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(ROOT, folder, file), 'utf8'))
    .join('\n');
}

/** What the code gives as a reason: to the errors and functions that become conditions, or in a condition itself. */
function reasons(code: string): readonly string[] {
  const calls = code.matchAll(/\b(?:Failing|Stalled|Waiting|progressing|failing|state)\(\s*'([A-Z]\w+)'/g);
  const fields = code.matchAll(/\breason: '([A-Z]\w+)'/g);
  return [...new Set([...calls, ...fields].map((match) => match[1] ?? ''))];
}

test('the tables of fields are those of crds/', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'build/field-tables.ts'), '--check'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('every reason that the operator gives for a Registry is explained', () => {
  const text = page('registry.md');
  const given = reasons(sources('src/operator/registry'));
  assert.ok(given.length > 15, `only ${given.length} reasons were found in the code`);
  assert.deepEqual(
    given.filter((reason) => !text.includes(`\`${reason}\``)),
    [],
  );
});

test('every reason that is explained is one that the operator gives', () => {
  const tables = page('registry.md').split('## Conditions')[1] ?? '';
  const named = [...tables.matchAll(/`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`/g)].map((match) => match[1] ?? '');
  const code = sources('src/operator/registry');
  assert.ok(named.length > 15);
  assert.deepEqual(
    named.filter((reason) => !code.includes(`'${reason}'`)),
    [],
  );
});

test('kinds without a controller are said to be so', () => {
  for (const [name, folder] of [
    ['replication-rule.md', 'src/operator/replication-rule'],
    ['retention-policy.md', 'src/operator/retention-policy'],
  ] as const) {
    const text = page(name);
    for (const reason of reasons(sources(folder))) assert.ok(text.includes(`\`${reason}\``), `${name}: ${reason}`);
  }
});

test('the annotation and the finalizer are named as the operator knows them', () => {
  const text = page('registry.md');
  assert.ok(text.includes(annotations.reconcileAt));
  const definition = readFileSync(join(ROOT, 'crds/ne-registry.io_registries.yaml'), 'utf8');
  assert.ok(definition.includes(`\`${annotations.reconcileAt}\``));
});

test('every setting that is not carried out yet is listed', () => {
  const section = page('registry.md').split('## What this version cannot carry out')[1]?.split('\n## ')[0] ?? '';
  const fields = [...sources('src/operator/registry').matchAll(/\{ field: '([\w.]+)/g)].map((match) => match[1] ?? '');
  const listed = [...section.matchAll(/`([\w.]+)(?:: \w+)?`/g)].map((match) => match[1] ?? '');
  const known = ['SettingNotSupported'];
  assert.deepEqual(listed.filter((name) => !known.includes(name) && name !== 'Stalled').sort(), fields.sort());
});
