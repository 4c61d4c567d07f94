/** V1 to V8: each violation names the rule and the field, and all of them are told at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matcherOf } from '../../../src/domain/retention/pattern.ts';
import { InvalidPolicy } from '../../../src/domain/retention/policy.ts';
import { readPolicyText } from '../../../src/domain/retention/read-policy.ts';

const expire = { type: 'expire' };
const count = { countType: 'imageCountMoreThan', countNumber: 1 };
const age = { countType: 'sinceImagePushed', countUnit: 'days', countNumber: 14 };
const tagged = { tagStatus: 'tagged', tagPrefixList: ['prod'] };
const rule = (rulePriority: unknown, selection: object, action: object = expire) => ({
  rulePriority,
  selection,
  action,
});
const policy = (...rules: object[]) => JSON.stringify({ rules });

function problems(text: string): string[] {
  try {
    readPolicyText(text);
    return [];
  } catch (error) {
    assert.ok(error instanceof InvalidPolicy, String(error));
    return [...error.problems];
  }
}

const refused: [name: string, text: string, problem: RegExp][] = [
  ['V1 too long', policy({ ...rule(1, { ...tagged, ...count }), description: 'x'.repeat(31_000) }), /at most 30720/],
  [
    'V1 priority 0',
    policy(rule(0, { ...tagged, ...count })),
    /^rules\[0\] \(rulePriority 0\)\.rulePriority: .* from 1/,
  ],
  [
    'V1 twice',
    policy(rule(1, { ...tagged, ...count }), rule(1, { tagStatus: 'untagged', ...age })),
    /^rulePriority 1: more than one/,
  ],
  [
    'V2 neither list',
    policy(rule(1, { tagStatus: 'tagged', ...count })),
    /selection\.tagStatus: tagged needs exactly one/,
  ],
  [
    'V2 both lists',
    policy(rule(1, { ...tagged, tagPatternList: ['a*'], ...count })),
    /tagStatus: tagged needs exactly one/,
  ],
  [
    'V2 empty list',
    policy(rule(1, { tagStatus: 'tagged', tagPatternList: [], ...count })),
    /tagPatternList: must be a list of at least one/,
  ],
  [
    'V2 empty prefix',
    policy(rule(1, { tagStatus: 'tagged', tagPrefixList: [''], ...count })),
    /tagPrefixList: must be/,
  ],
  [
    'V2 untagged with list',
    policy(rule(1, { tagStatus: 'untagged', tagPrefixList: ['a'], ...count })),
    /tagPrefixList: does not go with tagStatus untagged/,
  ],
  [
    'V2 any with list',
    policy(rule(1, { tagStatus: 'any', tagPatternList: ['a'], ...count })),
    /tagPatternList: does not go with tagStatus any/,
  ],
  [
    'V3 five stars',
    policy(rule(1, { tagStatus: 'tagged', tagPatternList: ['*a*b*c*d*'], ...count })),
    /more than 4 \*/,
  ],
  [
    'V4 count 0',
    policy(rule(1, { ...tagged, ...count, countNumber: 0 })),
    /countNumber: must be a whole number from 1/,
  ],
  [
    'V4 no unit',
    policy(rule(1, { ...tagged, ...age, countUnit: undefined })),
    /countUnit: must be days with countType sinceImagePushed/,
  ],
  ['V4 hours', policy(rule(1, { ...tagged, ...age, countUnit: 'hours' })), /countUnit: must be days/],
  [
    'V4 unit of a count',
    policy(rule(1, { ...tagged, ...count, countUnit: 'days' })),
    /countUnit: does not go with countType imageCountMoreThan/,
  ],
  [
    'V5 any first',
    policy(rule(1, { tagStatus: 'any', ...count }), rule(2, { ...tagged, ...count })),
    /^rulePriority 1: a rule with selection\.tagStatus any must have the largest/,
  ],
  [
    'V6 untagged twice',
    policy(rule(1, { tagStatus: 'untagged', ...age }), rule(2, { tagStatus: 'untagged', ...count })),
    /^rulePriority 1, 2: only one rule/,
  ],
  [
    'V6 same prefixes',
    policy(
      rule(1, { tagStatus: 'tagged', tagPrefixList: ['a', 'b'], ...age }),
      rule(2, { tagStatus: 'tagged', tagPrefixList: ['b', 'a'], ...count }),
    ),
    /^rulePriority 1, 2: .* same tagPrefixList/,
  ],
  [
    'V7 transitioned in standard',
    policy(rule(1, { ...tagged, countType: 'sinceImageTransitioned', countUnit: 'days', countNumber: 90 })),
    /storageClass: must be archive/,
  ],
  [
    'V7 transitioned too soon',
    policy(
      rule(1, {
        ...tagged,
        storageClass: 'archive',
        countType: 'sinceImageTransitioned',
        countUnit: 'days',
        countNumber: 89,
      }),
    ),
    /countNumber: must be at least 90/,
  ],
  [
    'V7 transition to nowhere',
    policy(rule(1, { ...tagged, ...age }, { type: 'transition' })),
    /action\.targetStorageClass: must be archive/,
  ],
  [
    'V7 expire to somewhere',
    policy(rule(1, { ...tagged, ...age }, { type: 'expire', targetStorageClass: 'archive' })),
    /targetStorageClass: goes with type transition/,
  ],
  [
    'V8 unknown field',
    policy({ ...rule(1, { ...tagged, ...count }), priority: 1 }),
    /\.priority: this field is not known/,
  ],
  [
    'V8 unknown field of a selection',
    policy(rule(1, { ...tagged, ...count, tagPrefix: 'a' })),
    /selection\.tagPrefix: this field is not known/,
  ],
  ['V8 unknown field beside rules', '{"rules":[],"version":1}', /^version: this field is not known/],
  ['V8 fraction', policy(rule(1.5, { ...tagged, ...count })), /rulePriority: must be a whole number/],
  ['V8 negative', policy(rule(1, { ...tagged, ...count, countNumber: -1 })), /countNumber: must be a whole number/],
  ['V8 a number as text', policy(rule('1', { ...tagged, ...count })), /rulePriority: must be a whole number/],
  [
    'V8 past 2^53',
    policy(rule(1, { ...tagged, ...count })).replace('"countNumber":1', '"countNumber":9007199254740993'),
    /2\^53/,
  ],
  ['V8 1e400', policy(rule(1, { ...tagged, ...count })).replace('"countNumber":1', '"countNumber":1e400'), /too large/],
  ['trailing comma', '{"rules":[],}', /JSON/],
  ['duplicate key', '{"rules":[],"rules":[]}', /stands twice/],
  ['no rule', '{"rules":[]}', /at least one rule/],
  ['a list', '[]', /must be an object/],
  ['nothing', '', /JSON/],
];

for (const [name, text, problem] of refused)
  test(`refused: ${name}`, () => {
    const found = problems(text);
    assert.ok(
      found.some((line) => problem.test(line)),
      `problems: ${found.join('\n') || 'none'}`,
    );
  });

test('every problem of every rule is told at once', () => {
  const text = policy(
    rule(1, { tagStatus: 'tagged', ...age, countUnit: 'weeks' }),
    rule(2, { tagStatus: 'none', ...count }, { type: 'delete' }),
  );
  assert.equal(problems(text).length, 4, problems(text).join('\n'));
});

test('what ECR takes is taken', () => {
  const text = policy(
    rule(10, { tagStatus: 'tagged', tagPrefixList: ['prod'], ...count }),
    rule(20, { tagStatus: 'tagged', tagPrefixList: ['production'], ...count }),
    rule(5, { tagStatus: 'untagged', ...age }),
    rule(30, {
      tagStatus: 'tagged',
      tagPatternList: ['*a*b*c*'],
      countType: 'sinceImagePulled',
      countUnit: 'days',
      countNumber: 3,
    }),
    rule(
      40,
      { tagStatus: 'any', storageClass: 'standard', ...age },
      { type: 'transition', targetStorageClass: 'archive' },
    ),
    rule(50, {
      tagStatus: 'any',
      storageClass: 'archive',
      countType: 'sinceImageTransitioned',
      countUnit: 'days',
      countNumber: 90,
    }),
  );
  const { rules, warnings } = readPolicyText(text);
  assert.deepEqual(
    rules.map(({ priority }) => priority),
    [5, 10, 20, 30, 40, 50],
  );
  assert.deepEqual(warnings, []);
});

test('a text that ECR would find too short is taken, with a warning', () => {
  const text =
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}';
  assert.equal(readPolicyText(text).warnings.length, 0);
  const short = '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan"}}]}';
  assert.ok(short.length < 100);
  assert.throws(() => readPolicyText(short), InvalidPolicy);
});

test('a text of any kind is read or refused, never anything else', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.object().map((value) => JSON.stringify({ rules: [value] })),
      ),
      (text) => {
        assert.ok(Array.isArray(problems(text)));
      },
    ),
    { numRuns: 2000 },
  );
});

test('a pattern matches what its regular expression matches', () => {
  const characters = fc.constantFrom('a', 'b', '*', '-');
  const texts = (of: fc.Arbitrary<string>) => fc.array(of, { maxLength: 8 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(texts(characters), texts(fc.constantFrom('a', 'b', '-')), (pattern, tag) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      const bytes = Buffer.from(`ab${tag}b`);
      assert.equal(matcherOf(pattern)(bytes, 2, bytes.length - 1), expression.test(tag));
    }),
    { numRuns: 5000 },
  );
});
