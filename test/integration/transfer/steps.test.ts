/** A copy that dies at any of its requests leaves no tag of an incomplete image, and the next one makes both ends equal. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { copyAll } from './copying.ts';
import { type Place, pushIndex, pushReferrer } from './images.ts';
import { clientOf, type Peer, registries } from './registries.ts';
import { LookOut, type Truth, truthOf } from './truth.ts';

/** Long enough to be sent with PATCH. */
const layerBytes = 1_200_000;
const hasty = { attempts: 1, baseMs: 1, capMs: 1, maxRetryAfterMs: 1 };

for (const name of ['ours', 'distribution']) {
  describe(`a copy to ${name} that dies at any step`, () => {
    let source: Place;
    let truth: Truth;
    let peer: Peer;
    let line: FaultProxy;
    const closing: (() => unknown)[] = [];

    before(async () => {
      const from = await (registries.distribution as () => Promise<Peer>)();
      peer = await (registries[name] as () => Promise<Peer>)();
      line = await startFaultProxy(peer.host);
      closing.push(
        () => from.stop(),
        () => peer.stop(),
        () => line.close(),
      );
      source = { client: clientOf(from), repository: 'team/app' };
      const { index } = await pushIndex(source, [layerBytes], { tag: 'x' });
      await pushReferrer(source, index);
      truth = await truthOf(source);
    });

    after(async () => {
      for (const close of closing.reverse()) await close();
    });

    /** Copies through the line, which goes down for good at request number `step`. */
    async function dieAt(step: number, repository: string): Promise<boolean> {
      let requests = 0;
      let died = false;
      await line.up();
      line.plan = () => {
        requests += 1;
        if (requests < step) return undefined;
        died = true;
        void line.down();
        return { status: 500 };
      };
      const client = clientOf(peer, line.host, { retry: hasty });
      const { failures } = await copyAll(source, { client, repository });
      client.close();
      assert.equal(failures.length, died ? 1 : 0);
      return died;
    }

    it('leaves nothing that is half, and is made good by the next', async () => {
      let steps = 0;
      for (let died = true; died; ) {
        steps += 1;
        const repository = `dies/at-${steps}`;
        const target = { client: clientOf(peer), repository };
        const lookOut = new LookOut(target);
        died = await dieAt(steps, repository);
        const left = await truthOf(target);
        assert.deepEqual(await lookOut.stop(), [], `step ${steps}`);
        assert.ok(Object.keys(left.tags).length === 0 || !died, `step ${steps} set the tag and then failed`);
        assert.deepEqual((await copyAll(source, target)).failures, []);
        assert.deepEqual(await truthOf(target), truth, `step ${steps}`);
        target.client.close();
      }
      // Blobs, children, index, referrer, its fallback index where there is no API, tag: each was interrupted.
      assert.ok(steps > 20, `only ${steps} steps`);
    });
  });
}
