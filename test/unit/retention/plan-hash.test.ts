/** A plan's name is made of the images that it expires, and of nothing else. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Image } from '../../../src/domain/retention/image.ts';
import { planTable } from '../../../src/domain/retention/plan.ts';
import { readRules } from '../../../src/domain/retention/read-rules.ts';
import { ImageTable } from '../../../src/domain/retention/table.ts';
import { expiringHash, PlanHash } from '../../../src/registry/retention/plan-hash.ts';

const day = 86_400_000;
const now = 1000 * day;
const digest = (hex: string) => `sha256:${hex.repeat(64)}`;
const image = (hex: string, age: number): Image => ({ digest: digest(hex), tags: [hex], pushedAt: now - age * day });

function hashed(repositories: Record<string, readonly Image[]>, countNumber = 5): string {
  const selection = { tagStatus: 'any', countType: 'sinceImagePushed', countUnit: 'days', countNumber };
  const rules = readRules([{ rulePriority: 1, selection, action: { type: 'expire' } }]);
  const hash = new PlanHash();
  for (const [repository, images] of Object.entries(repositories)) {
    const table = new ImageTable();
    for (const row of images) table.add(row);
    hash.add(repository, expiringHash(table, planTable(table, { policy: { rules }, now })));
  }
  return hash.value;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

test('it is the hash of a line for each repository, with the hash of its sorted digests', () => {
  const [a, b] = [sha256(`${digest('1')}\n${digest('2')}\n`), sha256(`${digest('1')}\n`)];
  const found = hashed({ a: [image('2', 9), image('3', 1), image('1', 7)], b: [image('1', 6)], c: [image('1', 1)] });
  assert.equal(found, `sha256:${sha256(`a ${a}\nb ${b}\n`)}`);
});

test('the same images have the same hash, in whatever order they come and by whatever rule they go', () => {
  const first = hashed({ a: [image('1', 9), image('2', 8), image('3', 1)] });
  assert.equal(hashed({ a: [image('3', 2), image('2', 7), image('1', 7)] }, 6), first);
  assert.equal(hashed({ Z: [image('4', 1)], a: [image('1', 9), image('2', 8)] }), first);
});

test('one image more, less, or in another repository, has another', () => {
  const hashes = [
    hashed({}),
    hashed({ a: [image('1', 9)] }),
    hashed({ a: [image('1', 9), image('2', 9)] }),
    hashed({ b: [image('1', 9)] }),
    hashed({ a: [image('1', 9)], b: [image('1', 9)] }),
  ];
  assert.equal(new Set(hashes).size, hashes.length);
});

test('repositories out of order are refused, because the hash would depend on it', () => {
  assert.throws(() => hashed({ b: [], a: [] }), /a was planned after b/);
});
