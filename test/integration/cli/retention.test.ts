/** `ne-cli retention plan` needs files and nothing else. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { cli, freshHome } from './cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'ne-retention-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const home = freshHome();
const ran = (args: readonly string[]) => cli(args, home);

function file(name: string, content: string | object): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const selection = { tagStatus: 'any', countType: 'sinceImagePushed', countUnit: 'days', countNumber: 30 };
const policy = file('policy.json', { rules: [{ rulePriority: 1, selection, action: { type: 'expire' } }] });
const [old, young, index, child] = ['a', 'b', 'c', 'd'].map((hex) => `sha256:${hex.repeat(64)}`) as [
  string,
  string,
  string,
  string,
];
const images = file('images.json', {
  imageDetails: [
    { registryId: '1', imageDigest: old, imageTags: ['v1'], imagePushedAt: 1_700_000_000.25, imageSizeInBytes: 10 },
    { imageDigest: young, imageTags: ['v2'], imagePushedAt: '2026-11-20T10:00:00+02:00', imageSizeInBytes: 10 },
    {
      imageDigest: index,
      imageTags: ['v3'],
      imagePushedAt: '2026-01-01T00:00:00Z',
      imageSizeInBytes: 1,
      children: [child],
    },
    { imageDigest: child, imagePushedAt: '2026-01-01T00:00:00Z', imageSizeInBytes: 100 },
  ],
});
const plan = ['retention', 'plan', '--images', images, '--now', '2026-11-22T00:00:00Z', '--output', 'json'];

interface Plan {
  images: {
    imageDigest: string;
    imageTags: string[];
    action: string;
    appliedRulePriority: number | null;
    reason: string;
  }[];
  summary: { expiringImageTotalCount: number };
}

function expiring({ images: decided }: Plan): string[] {
  return decided.filter(({ action }) => action === 'EXPIRE').map(({ imageDigest }) => imageDigest);
}

test('a policy of ECR on what describe-images printed', async () => {
  const { code, stdout } = await ran([...plan, '--policy', policy]);
  assert.equal(code, 0);
  const result = JSON.parse(stdout) as Plan;
  assert.deepEqual(expiring(result), [old, index, child]);
  assert.deepEqual(result.summary, { expiringImageTotalCount: 3 });
  assert.deepEqual(result.images[3], {
    imageDigest: child,
    imageTags: [],
    action: 'EXPIRE',
    appliedRulePriority: 1,
    reason: `with ${index}`,
  });
});

test('our YAML, with protection; and pins, in JSON and as lines', async () => {
  const text = `apiVersion: ne-registry.io/v1alpha1
kind: RetentionPolicy
metadata: {name: p}
spec:
  repositories: {include: ['**']}
  protect: {tags: ['v1']}
  rules:
    - rulePriority: 1
      selection: {tagStatus: any, countType: sinceImagePushed, countUnit: days, countNumber: 30}
      action: {type: expire}
`;
  const yaml = file('policy.yaml', text);
  assert.deepEqual(expiring(JSON.parse((await ran([...plan, '--policy', yaml])).stdout) as Plan), [index, child]);
  for (const content of [JSON.stringify([child]), `${child}\n`]) {
    const pinned = await ran([...plan, '--policy', yaml, '--pins', file('pins', content)]);
    assert.deepEqual(expiring(JSON.parse(pinned.stdout) as Plan), [], 'a child in use keeps its index');
  }
});

test('an invalid policy: every error, and exit code 2', async () => {
  const broken = { rulePriority: 0, selection: { ...selection, countUnit: 'weeks' }, action: { type: 'expire' } };
  const { code, stdout, stderr } = await ran([...plan, '--policy', file('broken.json', { rules: [broken] })]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /rulePriority: must be/);
  assert.match(stderr, /selection\.countUnit: must be days/);
  for (const text of ['{"rules":[],}', '{"rules":[],"rules":[]}', 'kind: RetentionPolicy\nspec: {}\n', 'a: b'])
    assert.equal((await ran([...plan, '--policy', file('broken', text)])).code, 2, text);
});

test('images that cannot be read are named', async () => {
  const bad: [object, RegExp][] = [
    [{ imageDetails: [{ imageDigest: old }] }, /imageDetails\[0\]\.imagePushedAt: is missing/],
    [
      { imageDetails: [{ imageDigest: old, imagePushedAt: 'yesterday' }] },
      /imageDetails\[0\]\.imagePushedAt: must be a time/,
    ],
    [{ images: [] }, /needs the list imageDetails/],
    [{ imageDetails: [1, 2].map(() => ({ imageDigest: old, imagePushedAt: 1 })) }, /stands twice/],
  ];
  for (const [content, message] of bad) {
    const args = ['retention', 'plan', '--policy', policy, '--images', file('bad.json', content)];
    const { code, stderr } = await ran(args);
    assert.equal(code, 2);
    assert.match(stderr, message);
  }
});

test('a policy, images and pins that are not exactly JSON are refused whole', async () => {
  const text = `{"rules":[{"rulePriority":1,"selection":${JSON.stringify(selection)},"action":{"type":"expire"}}]}`;
  const image = `{"imageDigest":"${old}","imagePushedAt":1}`;
  const cases: [string, string][] = [
    ['policy', text.replace('}]}', '},]}')],
    ['policy', text.replace('"rulePriority":1', '"rulePriority":1,"rulePriority":2')],
    ['policy', text.replace('"rulePriority":1', '"rulePriority":9007199254740993')],
    ['policy', text.replace('"rulePriority":1', '"rulePriority":1e400')],
    ['images', `{"imageDetails":[${image},]}`],
    ['images', `{"imageDetails":[],"imageDetails":[${image}]}`],
    ['images', `{"imageDetails":[${image.replace('1}', '1,"imageDigest":"x"}')}]}`],
    ['images', `{"imageDetails":[${image.replace('1}', '9007199254740993}')}]}`],
    ['pins', `["${old}",]`],
    ['pins', `{"pins":[],"pins":["${old}"]}`],
  ];
  const files = { policy, images, pins: file('none', '[]') };
  await Promise.all(
    cases.map(async ([which, content], index) => {
      const given = { ...files, [which]: file(`whole-${index}`, content) };
      const args = Object.entries(given).flatMap(([name, path]) => [`--${name}`, path]);
      const { code, stdout, stderr } = await ran(['retention', 'plan', ...args, '--output', 'json']);
      assert.deepEqual([code, stdout], [2, ''], content);
      assert.match(stderr, new RegExp(`whole-${index}: `));
    }),
  );
});

test('a list of many images takes little more memory than their digests and tags', async (context) => {
  const details = Array.from({ length: 200_000 }, (_, index) => ({
    registryId: '123456789012',
    repositoryName: 'app',
    imageDigest: `sha256:${index.toString(16).padStart(64, '0')}`,
    imageTags: [`main-${index}`],
    imageSizeInBytes: index,
    imagePushedAt: 1_700_000_000 + index,
    imageManifestMediaType: 'application/vnd.oci.image.manifest.v1+json',
  }));
  const many = file('many.json', JSON.stringify({ imageDetails: details }, undefined, 4));
  const args = ['retention', 'plan', '--policy', policy, '--images', many, '--output', 'json'];
  const { code, stdout, peakRss } = await ran([...args, '--now', '2026-11-22T00:00:00Z']);
  assert.equal(code, 0);
  const result = JSON.parse(stdout) as Plan;
  assert.deepEqual([result.images.length, result.summary.expiringImageTotalCount], [200_000, 200_000]);
  // As objects, with the text beside them, they took 560 MB.
  context.diagnostic(`${Math.round(peakRss / 1e6)} MB`);
  assert.ok(peakRss < 220e6, `${peakRss} bytes`);
});
