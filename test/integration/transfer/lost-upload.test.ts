/** An upload that the registry does not know any more, or not for whom we have become: another one is begun. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { hasBlob, writeBlob } from '../../../src/transfer/registry/blob-writer.ts';
import { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { startFaultProxy } from '../../programs/fault-proxy.ts';
import { startServer } from '../registry/server.ts';

const repository = 'team/app';
const signal = () => AbortSignal.timeout(120_000);
const bytes = randomBytes(2_000_000);
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
const blob = {
  repository,
  digest,
  size: bytes.length,
  open: async function* (offset: number) {
    yield bytes.subarray(offset);
  },
};

test('signing in while an upload is under way does not end the copy', async () => {
  const server = await startServer({ document: { auth: { anonymous: 'Push' } } });
  const line = await startFaultProxy(server.host);
  const { user: username, password } = server;
  const client = new RegistryClient(line.host, {
    credentials: async () => ({ username, password }),
    trust: () => ({ plainHttp: true }),
  });
  try {
    let begun = 0;
    line.plan = ({ method }) => {
      if (method === 'POST') begun += 1;
      return undefined;
    };
    // Something that is not for everybody, between the request that begins the upload and its bytes.
    const open = async function* (offset: number) {
      if (begun === 1)
        await client.request({
          method: 'DELETE',
          path: `/v2/${repository}/manifests/none`,
          scopes: [`repository:${repository}:pull,delete`],
          what: 'delete',
          accept: [404],
          signal: signal(),
        });
      yield bytes.subarray(offset);
    };
    await writeBlob(client, { ...blob, open }, signal());
    assert.equal(await hasBlob(client, repository, digest, signal()), true);
  } finally {
    client.close();
    await line.close();
    await server.discard();
  }
});

test('a registry that loses each upload is given up, and the failure is one that passes', async () => {
  const server = await startServer({ document: { auth: { anonymous: 'Push' } } });
  const line = await startFaultProxy(server.host);
  const retry = { attempts: 3, baseMs: 5, capMs: 10, maxRetryAfterMs: 10 };
  const client = new RegistryClient(line.host, {
    retry,
    credentials: async () => undefined,
    trust: () => ({ plainHttp: true }),
  });
  try {
    const lost = { patches: 0 };
    line.plan = ({ method }) => {
      if (method !== 'PATCH') return undefined;
      lost.patches += 1;
      return { status: 404 };
    };
    await assert.rejects(
      writeBlob(client, blob, signal()),
      (error) => isTransferError(error) && error.course === 'retry',
    );
    assert.equal(lost.patches, retry.attempts);
    line.plan = () => undefined;
    await writeBlob(client, blob, signal());
  } finally {
    client.close();
    await line.close();
    await server.discard();
  }
});
