import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
const { environment, flags } = (await import(join(root, 'bin/settings.js'))) as {
  flags: string[];
  environment: Record<string, string>;
};

test('the image starts the programs with the same memory settings as a checkout', () => {
  const entrypoint = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? '[]') as string[];
  assert.deepEqual(entrypoint, ['node', ...flags, '/app/ne-registry.js']);
  for (const [name, value] of Object.entries(environment))
    assert.match(dockerfile, new RegExp(`\\b${name}=${value}\\b`));
});
