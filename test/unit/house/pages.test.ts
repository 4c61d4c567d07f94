import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const pages = globSync(['*.md', 'docs/**/*.md', 'charts/**/*.md', 'test/**/*.md'], { cwd: root });

test('what a page links to in the repository is there', () => {
  const links = pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to = '']) => ({
      page,
      to,
    })),
  );
  assert.ok(links.length > 30, `only ${links.length} links found`);
  assert.deepEqual(
    links.filter(({ page, to }) => !existsSync(join(root, dirname(page), to))),
    [],
  );
});

test('every page of docs/ is in the index, and every decision in that of decisions', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const decisions = readFileSync(join(root, 'docs/adr/README.md'), 'utf8');
  const hidden = [
    ...globSync('docs/*.md', { cwd: root }).filter((page) => !readme.includes(`(${page})`)),
    ...globSync('docs/adr/0*.md', { cwd: root }).filter((page) => !decisions.includes(`(${basename(page)})`)),
  ];
  assert.deepEqual(hidden, []);
});
