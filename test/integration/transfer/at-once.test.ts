/** Small blobs go with the request that begins their upload, where a registry takes them so. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { hasBlob, writeBlob } from '../../../src/transfer/registry/blob-writer.ts';
import type { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { clientOf, type Peer, registries } from './registries.ts';

const repository = 'team/app';
const signal = () => AbortSignal.timeout(120_000);
const requests = {
  ours: ['POST', 'POST'],
  // Tried once, with a blob that is smaller than a question.
  distribution: ['POST PUT', 'POST PUT'],
};

for (const name of ['ours', 'distribution'] as const) {
  describe(`small blobs to ${name}`, () => {
    let peer: Peer;
    let line: FaultProxy;
    let client: RegistryClient;
    before(async () => {
      peer = await (registries[name] as () => Promise<Peer>)();
      line = await startFaultProxy(peer.host);
      client = clientOf(peer, line.host);
    });
    after(async () => {
      client.close();
      await line.close();
      await peer.stop();
    });

    async function send(bytes: Buffer, digest = digestOf(bytes)): Promise<string> {
      const from = line.requests.length;
      const open = async function* (offset: number) {
        yield bytes.subarray(offset);
      };
      await writeBlob(client, { repository, digest, size: bytes.length, open }, signal());
      const methods = line.requests.slice(from).map((each) => each.split(' '));
      return methods.flatMap(([method, path]) => (path?.includes('/blobs/uploads/') ? [method] : [])).join(' ');
    }

    it('arrive whole, with as few requests as it takes there', async () => {
      const [tiny, small] = [randomBytes(500), randomBytes(300_000)];
      assert.deepEqual([await send(tiny), await send(small)], requests[name]);
      for (const bytes of [tiny, small])
        assert.equal(await hasBlob(client, repository, digestOf(bytes), signal()), true);
    });

    it('are not stored where their bytes are others', async () => {
      const bytes = randomBytes(500);
      const digest = digestOf(randomBytes(500));
      await assert.rejects(send(bytes, digest), (error) => isTransferError(error, 'Corrupt'));
      assert.equal(await hasBlob(client, repository, digest, signal()), false);
    });

    it('arrive where the answer to the first request is lost', async () => {
      const bytes = randomBytes(500);
      let lost = 0;
      line.plan = ({ method }) => (method === 'POST' && lost++ === 0 ? { status: 503 } : undefined);
      await send(bytes);
      line.plan = () => undefined;
      assert.equal(await hasBlob(client, repository, digestOf(bytes), signal()), true);
    });
  });
}

function digestOf(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
