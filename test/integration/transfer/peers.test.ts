/** Images come from and go to every kind of registry: authentication, Docker's and OCI's types, referrers with and without an API. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { copyAll } from './copying.ts';
import { fill, type Place } from './images.ts';
import { clientOf, type Peer, registries } from './registries.ts';
import { LookOut, truthOf } from './truth.ts';

describe('a copy', () => {
  const peers = new Map<string, Peer>();
  const closing: (() => unknown)[] = [];

  before(async () => {
    for (const [name, start] of Object.entries(registries)) {
      const peer = await start();
      peers.set(name, peer);
      closing.push(() => peer.stop());
      await fill(at(name, 'team/app'), 1_500_000);
    }
  });

  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  function at(name: string, repository: string): Place {
    const client = clientOf(peers.get(name) as Peer);
    closing.push(() => client.close());
    return { client, repository };
  }

  const names = Object.keys(registries);
  const pairs = [
    ...names.filter((name) => name !== 'ours').flatMap((name) => [['ours', name] as const, [name, 'ours'] as const]),
    ['distribution with tokens', "Debian's docker-registry with tokens"] as const,
    ["Debian's docker-registry", 'distribution with passwords'] as const,
    ['ours', 'ours'] as const,
  ];
  for (const [from, to] of pairs) {
    it(`from ${from} to ${to} is whole and the same, and the second one does nothing`, async () => {
      const source = at(from, 'team/app');
      const target = at(to, `copies/${names.indexOf(from)}`);
      const lookOut = new LookOut(target);
      const first = await copyAll(source, target);
      assert.deepEqual(first.failures, []);
      assert.deepEqual(await lookOut.stop(), []);
      const truth = await truthOf(source);
      assert.deepEqual([Object.keys(truth.tags).length, Object.keys(truth.referrers).length], [3, 3]);
      assert.deepEqual(await truthOf(target), truth);
      const second = await copyAll(source, target);
      const work = second.results.map(({ changed, bytes, manifests, referrers }) => [
        changed,
        bytes,
        manifests.copied,
        referrers,
      ]);
      assert.deepEqual(work, [
        [false, 0, 0, 0],
        [false, 0, 0, 0],
        [false, 0, 0, 0],
      ]);
    });
  }
});
