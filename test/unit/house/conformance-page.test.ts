/** The page that says which clause is shown by which test names tests that exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/conformance.md'), 'utf8');
/** `registry/clauses` "names", "HEAD": a file and titles, or parts of titles, in it. */
const mention = /`((?:registry|integration|unit|contract)\/[\w./-]*\w)`((?:[, and]*"[^"]+")*)/g;

function fileOf(name: string): string | undefined {
  const below = name.startsWith('registry/') ? `integration/${name}` : name;
  return ['.test.ts', '.contract.ts', '.ts']
    .map((end) => join(root, 'test', below + end))
    .find((file) => existsSync(file));
}

test('every test that the conformance page names exists, and has the titles that it quotes', () => {
  const mentions = [...page.matchAll(mention)];
  assert.ok(mentions.length > 50);
  for (const [, name = '', titles = ''] of mentions) {
    const file = fileOf(name);
    assert.ok(file !== undefined, `${name} is no test`);
    const source = readFileSync(file, 'utf8');
    for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) {
      assert.ok(source.includes(title.replace(/ ?…$/, '')), `${name} has no test "${title}"`);
    }
  }
});
