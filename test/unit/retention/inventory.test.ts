/** What a cluster reports: read strictly, named without its hosts, and never forgotten because of a late report. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatInventory,
  InvalidInventory,
  type Inventory,
  inventoryBounds,
  inventoryVersion,
  parseInventory,
} from '../../../src/domain/retention/inventory.ts';
import { receiveReport } from '../../../src/domain/retention/report.ts';
import { namesOf, readName } from '../../../src/domain/retention/used-names.ts';

const digest = (hex: string) => `sha256:${hex.repeat(64)}` as const;
const document = {
  apiVersion: inventoryVersion,
  reportedAt: '2026-11-22T00:00:00Z',
  images: [{ image: 'r.example.com/shop/web:v1', digests: [digest('a')], by: ['Deployment shop/web'] }],
};

function problems(value: unknown): readonly string[] {
  try {
    parseInventory(typeof value === 'string' ? value : JSON.stringify(value));
  } catch (error) {
    assert.ok(error instanceof InvalidInventory, String(error));
    return error.problems;
  }
  return [];
}

test('a report is read, and written as it was read', () => {
  const inventory = parseInventory(Buffer.from(JSON.stringify({ ...document, namespaces: ['shop'] })));
  assert.deepEqual(inventory, {
    reportedAt: Date.parse('2026-11-22T00:00:00Z'),
    namespaces: ['shop'],
    images: [{ image: 'r.example.com/shop/web:v1', digests: [digest('a')], by: ['Deployment shop/web'] }],
  });
  assert.deepEqual(parseInventory(formatInventory(inventory)), inventory);
  assert.deepEqual(parseInventory(JSON.stringify({ ...document, images: [{ image: 'a' }] })).images, [
    { image: 'a', digests: [], by: [] },
  ]);
});

test('what is wrong with a report is named by its field', () => {
  const cases: [unknown, RegExp][] = [
    [[], /^the report: must be an object/],
    [{ ...document, apiVersion: 'inventory.ne-registry.io/v2' }, /^apiVersion: must be inventory/],
    [{ ...document, reportedAt: 'yesterday' }, /^reportedAt: must be a time/],
    [{ ...document, reportedAt: '2026-99-22T00:00:00Z' }, /^reportedAt: must be a time/],
    [{ ...document, images: undefined }, /^images: must be a list/],
    [{ ...document, more: 1 }, /^more: this field is not known/],
    [{ ...document, namespaces: [''] }, /^namespaces\[0\]: must be a text/],
    [{ ...document, images: [1] }, /^images\[0\]: must be an object/],
    [{ ...document, images: [{ image: 'a' }, { image: '' }] }, /^images\[1\]\.image: must be a text/],
    [{ ...document, images: [{ image: 'x'.repeat(1025) }] }, /^images\[0\]\.image: must be a text of 1 to 1024/],
    [{ ...document, images: [{ image: 'a', tag: 'b' }] }, /^images\[0\]\.tag: this field is not known/],
    [{ ...document, images: [{ image: 'a', by: 'Pod' }] }, /^images\[0\]\.by: must be a list/],
    [
      { ...document, images: [{ image: 'a', digests: ['sha256:1'] }] },
      /^images\[0\]\.digests: "sha256:1" is no digest/,
    ],
    ['{"images":[],"images":[]}', /stands twice/],
    ['{"images":[],}', /not valid JSON/],
    ['{"a":1e999}', /too large/],
  ];
  for (const [value, message] of cases) assert.match(problems(value)[0] ?? 'nothing', message);
});

test('a report is bounded in bytes, images, values and problems', () => {
  assert.match(problems(' '.repeat(inventoryBounds.bytes + 1))[0] ?? '', /longer than 16777216 bytes/);
  const many = Array.from({ length: inventoryBounds.images + 1 }, () => ({ image: 'a' }));
  assert.match(problems({ ...document, images: many })[0] ?? '', /^images: has 100001 entries/);
  assert.equal(problems({ ...document, images: many.slice(1) }).length, 0);
  assert.match(problems(`[${'1,'.repeat(inventoryBounds.values)}1]`)[0] ?? '', /more than 1000000 values/);
  assert.equal(problems({ ...document, images: Array(1000).fill(0) }).length, 20);
});

test('names are digests, and tags with the path that they were asked for by, whatever the host', () => {
  const images = [
    ['registry.example.com:5000/shop/web:v1', 'shop/web:v1'],
    ['[::1]:5000/shop/web:v2', 'shop/web:v2'],
    ['localhost/shop/web', 'shop/web:latest'],
    ['shop/api:v1', 'shop/api:v1'],
    ['docker.io/library/nginx:1', 'nginx:1'],
    ['docker.io/redis:7', 'redis:7'],
    ['busybox', 'busybox:latest'],
    [`r.io/pinned@${digest('b')}`, digest('b')],
    [`docker-pullable://r.io/old@${digest('c')}`, digest('c')],
    [digest('d'), digest('d')],
    ['r.io/NOT/valid:v1', undefined],
    ['r.io/app:.bad', undefined],
    [`r.io/app@sha256:short`, undefined],
    ['', undefined],
  ] as const;
  const of = (image: string) => namesOf({ reportedAt: 0, images: [{ image, digests: [], by: [] }] });
  for (const [image, name] of images) assert.deepEqual(of(image), name === undefined ? [] : [name], image);
  assert.deepEqual(of(`r.io/app:v1@${digest('e')}`), ['app:v1', digest('e')]);
});

test('a name leads back to what it may keep', () => {
  assert.deepEqual(readName(digest('a')), { digest: digest('a') });
  assert.deepEqual(readName('shop/web:v1'), { tag: 'v1', repositories: ['shop/web', 'library/shop/web'] });
});

const used = (image: string, ...by: string[]) => ({ image, digests: [], by });
const at = (reportedAt: number, ...images: Inventory['images']): Inventory => ({ reportedAt, images });

test('a newer report replaces; one that is not newer takes nothing away, and is not as good as hearing from the cluster', () => {
  const first = receiveReport(undefined, { cluster: 'c', receivedAt: 1000, inventory: at(50, used('a', 'x')) });
  assert.deepEqual(first.names, ['a:latest']);
  const late = { cluster: 'c', receivedAt: 2000, inventory: at(40, used('b'), used('a', 'y')) };
  const both = receiveReport(first, late);
  assert.deepEqual([both.names, both.receivedAt, both.reportedAt], [['a:latest', 'b:latest'], 1000, 50]);
  assert.deepEqual(parseInventory(both.document).images[0]?.by, ['x', 'y']);
  const again = receiveReport(both, { cluster: 'c', receivedAt: 3000, inventory: at(50, used('c')) });
  assert.deepEqual([again.names.length, again.receivedAt], [3, 1000]);
  const newer = receiveReport(again, { cluster: 'c', receivedAt: 4000, inventory: at(51, used('c')) });
  assert.deepEqual([newer.names, newer.receivedAt], [['c:latest'], 4000]);
});

test('a cluster whose clock is far ahead is told so, because it could not be heard after it was put right', () => {
  const tomorrow = { cluster: 'c', receivedAt: 0, inventory: at(86_400_001) };
  assert.throws(() => receiveReport(undefined, tomorrow), /reportedAt: .* more than a day ahead/);
});

test('late reports cannot grow what is kept without end', () => {
  const images = (n: number) => Array.from({ length: inventoryBounds.images }, (_, index) => used(`a-${n}-${index}`));
  let kept = receiveReport(undefined, { cluster: 'c', receivedAt: 1, inventory: at(9, ...images(0)) });
  kept = receiveReport(kept, { cluster: 'c', receivedAt: 1, inventory: at(8, ...images(1)) });
  assert.throws(
    () => receiveReport(kept, { cluster: 'c', receivedAt: 1, inventory: at(8, used('more')) }),
    /too large together/,
  );
});
