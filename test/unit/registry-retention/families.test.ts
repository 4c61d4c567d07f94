import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Image } from '../../../src/domain/retention/image.ts';
import { ImageTable } from '../../../src/domain/retention/table.ts';
import { Families } from '../../../src/registry/retention/families.ts';

const digest = (number: number) => `sha256:${String(number).padStart(64, '0')}`;

/** Images of which some are children, or referrers, of others that come earlier or later; no circles. */
const repositories = fc
  .array(
    fc.record({
      children: fc.array(fc.nat(40), { maxLength: 3 }),
      subject: fc.option(fc.nat(40), { nil: undefined }),
      goes: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((drawn) => {
    const table = new ImageTable();
    const images: Image[] = drawn.map(({ children, subject }, index) => ({
      digest: digest(index),
      tags: [],
      pushedAt: index,
      children: children.filter((child) => child > index).map(digest),
      ...(subject !== undefined && subject < index && { subject: digest(subject) }),
    }));
    for (const image of images) table.add(image);
    const going = Uint32Array.from(drawn.keys()).filter((index) => drawn[index]?.goes === true);
    return { table, images, going };
  });

const limits = fc.integer({ min: 1, max: 8 });

/** Pairs of which the first holds the second, both of them going. */
function holds({ images, going }: { images: readonly Image[]; going: Uint32Array }): [number, number][] {
  const among = new Set(going);
  const position = (name: string) => images.findIndex((image) => image.digest === name);
  const pairs = images.flatMap((image, index): [number, number][] => [
    ...(image.children ?? []).map((child): [number, number] => [index, position(child)]),
    ...(image.subject === undefined ? [] : [[position(image.subject), index] as [number, number]]),
  ]);
  return pairs.filter(([holder, held]) => among.has(holder) && among.has(held));
}

test('each image goes once, in batches that are small enough, and whoever holds another goes no later', () => {
  fc.assert(
    fc.property(repositories, limits, (repository, limit) => {
      const batches = [...new Families(repository.table, repository.going).batches(limit)];
      assert.ok(batches.every(({ length }) => length > 0 && length <= limit));
      assert.deepEqual(
        batches.flat().sort((a, b) => a - b),
        [...repository.going],
      );
      const place = new Map(batches.flatMap((batch, index) => batch.map((image) => [image, index] as const)));
      for (const [holder, held] of holds(repository)) assert.ok((place.get(holder) ?? 0) <= (place.get(held) ?? 0));
    }),
  );
});

test('a family that fits goes in one batch', () => {
  fc.assert(
    fc.property(repositories, limits, (repository, limit) => {
      const families = new Families(repository.table, repository.going);
      const place = new Map(
        [...families.batches(limit)].flatMap((batch, index) => batch.map((image) => [image, index])),
      );
      for (const family of familiesOf(repository))
        if (family.length <= limit) assert.equal(new Set(family.map((image) => place.get(image))).size, 1);
    }),
  );
});

test('where one of a family stays, all of it stays, and nobody else', () => {
  fc.assert(
    fc.property(repositories, fc.nat(40), (repository, staying) => {
      const left = new Families(repository.table, repository.going).without((image) => image === staying);
      const family = familiesOf(repository).find((members) => members.includes(staying)) ?? [];
      assert.deepEqual(
        [...left],
        [...repository.going].filter((image) => !family.includes(image)),
      );
    }),
  );
});

/** The slow way: whoever holds or is held joins two families, until nothing changes. */
function familiesOf(repository: Parameters<typeof holds>[0]): number[][] {
  let families = [...repository.going].map((image) => [image]);
  for (const [holder, held] of holds(repository)) {
    const joined = families.filter((family) => family.includes(holder) || family.includes(held));
    families = [...families.filter((family) => !joined.includes(family)), joined.flat()];
  }
  return families;
}
