/** A replica that dies takes nothing with it that was acknowledged, and the work it held goes on elsewhere. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, client, digestOf } from '../registry/client.ts';
import { type Fleet, startFleet } from './fleet.ts';

let fleet: Fleet;
before(async () => {
  fleet = await startFleet();
});
after(() => fleet.discard());

const rounds = 8;

interface Acknowledged {
  readonly blobs: Set<string>;
  /** Tag to the digest of its manifest. */
  readonly tags: Map<string, string>;
}

test('kills of replicas while others serve lose nothing that was acknowledged', { timeout: 600_000 }, async () => {
  const acknowledged: Acknowledged = { blobs: new Set(), tags: new Map() };
  const survivor = await fleet.start();
  for (let round = 0; round < rounds; round++) {
    const doomed = await Promise.all([fleet.start(), fleet.start()]);
    const pushers = [survivor, ...doomed].map((replica, index) =>
      push(client(replica), acknowledged, { name: `${round}-${index}`, mayBreak: replica !== survivor }),
    );
    await sleep(randomInt(300, 1500));
    // A busy machine takes longer over as many.
    while (acknowledged.tags.size < (round + 1) * 4) await sleep(20);
    await Promise.all(doomed.map((replica) => replica.kill()));
    stopped = true;
    await Promise.all(pushers);
    stopped = false;
  }
  assert.ok(acknowledged.tags.size > rounds * 3, `only ${acknowledged.tags.size} images were pushed at all`);
  await verify(client(survivor), acknowledged);
  await verify(client(await fleet.start()), acknowledged);
});

let stopped = false;

async function push(at: Client, { blobs, tags }: Acknowledged, of: { name: string; mayBreak: boolean }): Promise<void> {
  try {
    for (let count = 0; !stopped || of.mayBreak; count++) {
      blobs.add(await at.pushBlob('durable', randomBytes(randomInt(1, 400_000))));
      const tag = `t-${of.name}-${count}`;
      const { digest, layer } = await at.pushImage('durable', tag);
      tags.set(tag, digest);
      blobs.add(layer);
    }
  } catch (error) {
    assert.ok(of.mayBreak && error instanceof TypeError, `the push failed otherwise than by its connection: ${error}`);
  }
}

async function verify(at: Client, { blobs, tags }: Acknowledged): Promise<void> {
  for (const digest of blobs) {
    const { status, body } = await at.request('GET', `/v2/durable/blobs/${digest}`);
    assert.equal(status, 200, `${digest} is gone`);
    assert.equal(digestOf(body), digest);
  }
  for (const [tag, digest] of tags) {
    const { status, body } = await at.request('GET', `/v2/durable/manifests/${tag}`);
    assert.equal(status, 200, `${tag} is gone`);
    assert.equal(digestOf(body), digest);
  }
}
