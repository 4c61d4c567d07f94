/** Hashes of what refers to images: asked for in sets, and the same as by walking from each image. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import type { ReferrerPair } from '../../../src/registry/metadata/replicating.ts';
import { hashOf, referrersOf } from '../../../src/registry/replication/own/referrers.ts';

const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;
const repository = 'r';
const mediaType = 'application/vnd.oci.image.manifest.v1+json';

/** Answers from a list of pairs, and counts how often it is asked. */
function storeOf(pairs: readonly ReferrerPair[]) {
  const asked = { times: 0 };
  const bySubject = Map.groupBy(pairs, ({ subject }) => subject);
  const of = (subjects: readonly Digest[]) => subjects.flatMap((subject) => bySubject.get(subject) ?? []);
  return {
    asked,
    manifest: () => assert.fail('the media type is known'),
    manifestBytes: () => assert.fail('the media type is known'),
    referrers: (_: string, subject: Digest, { last = '', limit }: { last?: string; limit: number }) =>
      of([subject])
        .filter((pair) => pair.digest > last)
        .sort((a, b) => (a.digest < b.digest ? -1 : 1))
        .slice(0, limit)
        .map((pair) => ({ digest: pair.digest, mediaType, size: 1 })),
    referrerPairs: (_: string, subjects: readonly Digest[], limit: number) => {
      asked.times += 1;
      return of(subjects).slice(0, limit);
    },
  };
}

function walked(pairs: readonly ReferrerPair[], from: Digest): string {
  const found = new Set<Digest>();
  let level = [from];
  for (let depth = 0; depth < 8; depth++) {
    const next = pairs.filter(({ subject }) => level.includes(subject)).map((pair) => pair.digest);
    level = next.filter((one) => !found.has(one));
    for (const one of level) found.add(one);
  }
  return hashOf(found);
}

test('each image has the hash of all that can be reached from it, cycles included', async () => {
  const pair = fc.record({ subject: fc.nat(12).map(digest), digest: fc.nat(12).map(digest) });
  const key = ({ subject, digest: referrer }: ReferrerPair) => `${subject} ${referrer}`;
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(pair, { selector: key, maxLength: 20 }), async (pairs) => {
      const images = Array.from({ length: 6 }, (_, n) => ({ digest: digest(n), mediaType }));
      const hashes = await referrersOf(storeOf(pairs), { children: new Map() }, { repository, images });
      for (const image of images) assert.equal(hashes.get(image.digest), walked(pairs, image.digest));
    }),
  );
});

test('a thousand images to which nothing refers are one question, and signed ones two', async () => {
  const images = Array.from({ length: 1000 }, (_, n) => ({ digest: digest(n), mediaType }));
  const signatures = images.map((image, n) => ({ subject: image.digest, digest: digest(5000 + n) }));
  for (const [pairs, times] of [[[], 1] as const, [signatures, 2] as const]) {
    const store = storeOf(pairs);
    const hashes = await referrersOf(store, { children: new Map() }, { repository, images });
    assert.equal(store.asked.times, times);
    assert.equal(hashes.get(digest(7)), pairs.length === 0 ? '' : hashOf([digest(5007)]));
  }
});

test('more than come in one answer are asked for in smaller questions', async () => {
  const images = [0, 1, 2].map((n) => ({ digest: digest(n), mediaType }));
  const pairs = images.flatMap((image, n) =>
    Array.from({ length: 4000 }, (_, m) => ({ subject: image.digest, digest: digest(100 + n * 4000 + m) })),
  );
  const hashes = await referrersOf(storeOf(pairs), { children: new Map() }, { repository, images });
  for (const image of images)
    assert.equal(
      hashes.get(image.digest),
      hashOf(pairs.filter(({ subject }) => subject === image.digest).map((pair) => pair.digest)),
    );
});
