/** The examples of AWS's user guide, as the specification of the design numbers them. Ages in days. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image } from '../../../src/domain/retention/image.ts';
import { planRetention } from '../../../src/domain/retention/plan.ts';
import { readPolicyText } from '../../../src/domain/retention/read-policy.ts';

const now = Date.parse('2026-11-22T00:00:00Z');
const day = 86_400_000;

function image(digest: string, age: number, ...tags: string[]): Image {
  return { digest, tags, pushedAt: now - age * day };
}

interface Selection {
  tagStatus: 'tagged' | 'untagged' | 'any';
  tagPatternList?: string[];
  countType: string;
  countUnit?: string;
  countNumber: number;
}

function rule(rulePriority: number, selection: Selection) {
  return { rulePriority, description: `rule ${rulePriority}`, selection, action: { type: 'expire' } };
}

function expired(images: readonly Image[], ...rules: object[]): string {
  const policy = readPolicyText(JSON.stringify({ rules }));
  const plan = planRetention({ images, policy, now });
  return images
    .filter((_, position) => plan.decision(position).action === 'EXPIRE')
    .map(({ digest }) => digest)
    .join('');
}

const newest = (tagPatternList: string[], countNumber: number): Selection => ({
  tagStatus: 'tagged',
  tagPatternList,
  countType: 'imageCountMoreThan',
  countNumber,
});

const g1 = [image('A', 10, 'beta-1', 'prod-1'), image('B', 9, 'beta-2', 'prod-2'), image('C', 8, 'beta-3')];

test('G1: what a stronger rule keeps, a weaker one cannot expire', () => {
  assert.equal(expired(g1, rule(1, newest(['prod*'], 1)), rule(2, newest(['beta*'], 1))), 'A');
});

test('G2: the same with the priorities swapped', () => {
  assert.equal(expired(g1, rule(1, newest(['beta*'], 1)), rule(2, newest(['prod*'], 1))), 'AB');
});

test('G3: every pattern of a list has to be matched', () => {
  const images = [
    image('A', 12, 'alpha-1'),
    image('B', 11, 'beta-1'),
    image('C', 10, 'alpha-2', 'beta-2'),
    image('D', 4, 'alpha-3'),
    image('E', 3, 'beta-3'),
    image('F', 2, 'alpha-4', 'beta-4'),
  ];
  const selection: Selection = {
    tagStatus: 'tagged',
    tagPatternList: ['alpha*', 'beta*'],
    countType: 'sinceImagePushed',
    countUnit: 'days',
    countNumber: 5,
  };
  assert.equal(expired(images, rule(1, selection)), 'C');
});

test('G4: two patterns and a count', () => {
  const images = [3, 2, 1].map((age) => image('ABC'[3 - age] ?? '', age, `alpha-${age}`, `beta-${age}`));
  assert.equal(expired(images, rule(1, newest(['alpha*', 'beta*'], 1))), 'AB');
});

test('G5: any image, the newest kept', () => {
  const images = [image('A', 4, 'x'), image('B', 3), image('C', 2, 'y'), image('D', 1)];
  assert.equal(expired(images, rule(1, { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 })), 'ABC');
});

test('G6: an image that is claimed or marked already still has its place in a weaker ranking', () => {
  const images = [
    image('A', 4, 'alpha-1', 'beta-1'),
    image('B', 3),
    image('C', 2, 'alpha-2'),
    image('D', 1, 'hash'),
    image('E', 1),
  ];
  const rules = [
    rule(1, newest(['alpha*'], 1)),
    rule(2, { tagStatus: 'untagged', countType: 'sinceImagePushed', countUnit: 'days', countNumber: 1 }),
    rule(3, { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 }),
  ];
  assert.equal(expired(images, ...rules), 'ABD');
});
