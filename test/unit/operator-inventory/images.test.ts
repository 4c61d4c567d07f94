/** What a cluster uses, gathered from its objects into a report. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatInventory, inventoryBounds, parseInventory } from '../../../src/domain/retention/inventory.ts';
import { imagesOf, TooManyImages } from '../../../src/operator/inventory/images.ts';
import type { Use, User } from '../../../src/operator/inventory/use.ts';

const sha = (letter: string) => `sha256:${letter.repeat(64)}`;

function user(kind: string, name: string, uses: readonly Use[], owner?: [string, string]): User {
  return {
    apiVersion: 'v1',
    kind,
    metadata: { name, namespace: 'shop' },
    uses,
    ...(owner && { owner: { kind: owner[0], name: owner[1] } }),
  };
}

const app = { image: 'h/app:1' };

describe('who uses an image', () => {
  test('is the workload that people know, for its pods and its ReplicaSets', () => {
    const found = imagesOf([
      user('Pod', 'web-1-x', [{ ...app, digests: [sha('a')] }], ['ReplicaSet', 'web-1']),
      user('ReplicaSet', 'web-1', [app], ['Deployment', 'web']),
      user('Deployment', 'web', [app]),
      user('Pod', 'report-7-y', [app], ['Job', 'report-7']),
      user('Job', 'report-7', [app], ['CronJob', 'report']),
    ]);
    assert.deepEqual(found, [
      { image: 'h/app:1', digests: [sha('a')], by: ['CronJob shop/report', 'Deployment shop/web'] },
    ]);
  });

  test('is the owner by its name where the owner is of a kind that nobody follows, and the pod where it has none', () => {
    const found = imagesOf([user('Pod', 'x', [app], ['Rollout', 'web']), user('Pod', 'alone', [{ image: 'h/tool' }])]);
    assert.deepEqual(
      found.map(({ by }) => by),
      [['Rollout shop/web'], ['Pod shop/alone']],
    );
  });

  test('is found also where owners own each other', () => {
    const circle = [user('A', 'a', [app], ['B', 'b']), user('B', 'b', [], ['A', 'a'])];
    assert.equal(imagesOf(circle)[0]?.by.length, 1);
  });

  test('is five of them at most', () => {
    const pods = Array.from({ length: 100 }, (_, at) => user('Pod', `p${at}`, [app]));
    assert.equal(imagesOf(pods)[0]?.by.length, 5);
  });
});

test('one name that nodes resolved differently has all its digests; the order of objects does not matter', () => {
  const users = ['c', 'a', 'b', 'a'].map((letter, at) => user('Pod', `p${at}`, [{ ...app, digests: [sha(letter)] }]));
  const found = imagesOf(users);
  assert.deepEqual(found[0]?.digests, [sha('a'), sha('b'), sha('c')]);
  assert.deepEqual(imagesOf(users.toReversed()), found);
});

test('an image without a name is called by its digest; one longer than any name is left out', () => {
  const long = 'x'.repeat(inventoryBounds.imageLength + 1);
  const found = imagesOf([user('Pod', 'p', [{ image: '', digests: [sha('a')] }, { image: long }, { image: '' }])]);
  assert.deepEqual(
    found.map(({ image }) => image),
    [sha('a')],
  );
});

test('as many images as a report holds are a report that registries read, and one more is none', () => {
  const users = Array.from({ length: inventoryBounds.images }, (_, at) =>
    user('Pod', `pod-${at}`, [
      { image: `h/team-${at}/app:1`, digests: [`sha256:${at.toString(16).padStart(64, '0')}`] },
    ]),
  );
  const images = imagesOf(users);
  assert.equal(parseInventory(formatInventory({ reportedAt: 0, images })).images.length, inventoryBounds.images);
  assert.throws(() => imagesOf([...users, user('Pod', 'one', [{ image: 'h/more' }])]), TooManyImages);
});
