import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');

/** For each room of `src`, the rooms that it may import from besides itself. */
const doors: Record<string, readonly string[]> = {
  domain: [],
  api: [],
  platform: [],
  transfer: ['domain', 'platform'],
  registry: ['domain', 'api', 'platform', 'transfer'],
  operator: ['domain', 'api', 'platform'],
  'node-agent': ['domain', 'api', 'platform'],
  cli: ['domain', 'transfer', 'platform'],
};

/** Modules that only one room may use, as `module → folders`. */
const ownedModules: readonly { module: RegExp; folders: readonly string[] }[] = [
  { module: /^(node:sqlite|pg)$/, folders: ['src/registry/metadata/'] },
  { module: /^@kubernetes\/client-node/, folders: ['src/operator/kube/'] },
  { module: /^(@aws-sdk|@smithy)\//, folders: ['src/registry/storage/'] },
  { module: /^express$/, folders: ['src/registry/http/', 'src/registry/serve.ts'] },
];

interface Import {
  file: string;
  specifier: string;
}

function importsOf(file: string): Import[] {
  const source = readFileSync(join(root, file), 'utf8');
  const form =
    /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]|(?:^|\n)import\s+['"]([^'"]+)['"]/g;
  return [...source.matchAll(form)].map((match) => ({ file, specifier: match[1] ?? match[2] ?? match[3] ?? '' }));
}

const files = globSync('src/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.gen.ts'));
const imports = files.flatMap(importsOf);

function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

test('there are imports to check', () => {
  assert.ok(imports.length > 100, `only ${imports.length} imports found: the pattern no longer matches`);
});

test('a room imports only from the rooms it has a door to', () => {
  const wrong = imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ file, specifier }) => ({ file, target: relative(root, normalize(join(root, dirname(file), specifier))) }))
    .filter(({ file }) => file.split('/').length > 2)
    // The version is nobody's room.
    .filter(({ target }) => target !== 'package.json')
    .filter(({ file, target }) => roomOf(file) !== roomOf(target) && !doors[roomOf(file)]?.includes(roomOf(target)));
  assert.deepEqual(wrong, []);
});

test('only its own room speaks SQL, Kubernetes, S3 or Express', () => {
  const wrong = imports.filter(({ file, specifier }) =>
    ownedModules.some(
      ({ module, folders }) => module.test(specifier) && !folders.some((folder) => file.startsWith(folder)),
    ),
  );
  assert.deepEqual(wrong, []);
});

test('the rest of the data plane knows its stores by their interfaces alone', () => {
  const implementation = /^src\/registry\/(metadata\/(sqlite|postgres)|storage\/(filesystem|s3))[/.]/;
  // Who opens a store has to say which; the admin commands work on its files.
  const insiders = ['metadata/', 'storage/', 'stores.ts', 'records.ts', 'admin/'].map((path) => `src/registry/${path}`);
  const wrong = imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ file, specifier }) => ({ file, target: join(dirname(file), specifier) }))
    .filter(({ target }) => implementation.test(target))
    .filter(({ file }) => !insiders.some((insider) => file.startsWith(insider)));
  assert.deepEqual(wrong, []);
});

test('the domain is pure: no Node module, no clock, no randomness', () => {
  const impure = /\b(Date\.now|new Date\(\)|Math\.random|process\.|setTimeout|fetch\()/;
  const wrong = files
    .filter((file) => file.startsWith('src/domain/'))
    .filter((file) => impure.test(readFileSync(join(root, file), 'utf8')));
  const nodeImports = imports.filter(
    ({ file, specifier }) => file.startsWith('src/domain/') && specifier.startsWith('node:'),
  );
  assert.deepEqual([wrong, nodeImports], [[], []]);
});
