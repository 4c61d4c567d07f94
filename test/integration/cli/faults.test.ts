import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { folderSink } from '../../../src/transfer/archive/file-sink.ts';
import { type CopyOptions, type CopyResult, copyImage } from '../../../src/transfer/copy/copy-image.ts';
import { LayoutTarget } from '../../../src/transfer/image/layout-target.ts';
import { openImage } from '../../../src/transfer/image/open-image.ts';
import { RegistryImage } from '../../../src/transfer/image/registry-image.ts';
import { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { headManifest } from '../../../src/transfer/registry/manifests.ts';
import { type Peer, startDistribution } from '../../programs/distribution.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { startServer } from '../registry/server.ts';
import { SampleLayout } from './sample.ts';

const layerBytes = 6_000_000;
const retry = { attempts: 4, baseMs: 10, capMs: 50, maxRetryAfterMs: 5000 };

interface Registry extends Peer {
  readonly login?: { readonly username: string; readonly password: string };
}

const registries: Record<string, () => Promise<Registry>> = {
  distribution: async () => await startDistribution(),
  'ne-registry': async () => {
    const server = await startServer();
    const login = { username: server.user, password: server.password };
    return { host: server.host, login, stop: server.discard };
  },
};

for (const [name, start] of Object.entries(registries)) {
  describe(`a copy with ${name} behind a bad line`, () => {
    let registry: Registry;
    let scratch: string;
    let layout: string;
    let digest: string;
    let large: string;
    const cleanups: (() => unknown)[] = [];

    before(async () => {
      registry = await start();
      scratch = await mkdtemp(join(tmpdir(), 'ne-faults-'));
      const sample = new SampleLayout(join(scratch, 'layout'));
      const image = await sample.image([layerBytes, 1000]);
      digest = image.digest;
      large = image.layers[0]?.digest as string;
      sample.add(image, 'x');
      layout = await sample.finish();
      await push('good/app', undefined);
    });

    after(async () => {
      for (const cleanup of cleanups) await cleanup();
      await registry?.stop();
      await rm(scratch, { recursive: true, force: true });
    });

    function client(host: string): RegistryClient {
      const made = new RegistryClient(host, { credentials: async () => registry.login, retry });
      cleanups.push(() => made.close());
      return made;
    }

    async function through(plan: (request: IncomingMessage) => Fault | undefined): Promise<FaultProxy> {
      const proxy = await startFaultProxy(registry.host, plan);
      cleanups.unshift(() => proxy.close());
      return proxy;
    }

    async function push(
      repository: string,
      proxy: FaultProxy | undefined,
      more: Partial<CopyOptions> = {},
    ): Promise<CopyResult> {
      const signal = AbortSignal.timeout(120_000);
      const { source, digest: image } = await openImage(layout, 'x', signal);
      try {
        const target = new RegistryImage(client(proxy?.host ?? registry.host), repository);
        return await copyImage({ source, target, image, tag: 'x', signal, ...more });
      } finally {
        await source.close();
      }
    }

    async function pull(proxy: FaultProxy): Promise<string> {
      const folder = await mkdtemp(join(scratch, 'pull-'));
      const target = new LayoutTarget(folderSink(folder));
      const source = new RegistryImage(client(proxy.host), 'good/app');
      try {
        await copyImage({ source, target, image: 'x', tag: 'x', signal: AbortSignal.timeout(120_000) });
        await target.finish('complete');
      } catch (error) {
        await target.finish('failed');
        throw error;
      }
      return folder;
    }

    const tagOf = async (repository: string) =>
      (await headManifest(client(registry.host), repository, 'x', AbortSignal.timeout(60_000)))?.digest;
    const isLayer = ({ url = '' }: IncomingMessage) => /\/blobs\/sha256:/.test(url);

    /** A fault for the first `times` requests that match. */
    function first(
      times: number,
      matches: (request: IncomingMessage) => boolean,
      fault: Fault,
    ): (request: IncomingMessage) => Fault | undefined {
      let left = times;
      return (request) => (matches(request) && left-- > 0 ? fault : undefined);
    }

    it('goes on reading where the line was cut', async () => {
      const proxy = await through(
        first(3, ({ method, url = '' }) => method === 'GET' && url.includes(large), { cutAnswerAfter: 1_500_000 }),
      );
      await pull(proxy);
      const ranges = proxy.requests.filter((line) => / bytes=[1-9]\d*-$/.test(line));
      assert.equal(ranges.length, 3, proxy.requests.join('\n'));
    });

    it('goes on uploading where the line was cut', async () => {
      const proxy = await through(first(2, ({ method }) => method === 'PATCH', { cutRequestAfter: 2_000_000 }));
      const result = await push('cut/app', proxy);
      assert.deepEqual([await tagOf('cut/app'), result.digest], [digest, digest]);
      assert.ok(proxy.requests.filter((line) => line.startsWith('PATCH')).length >= 3);
      const resumed = proxy.requests.filter((line) => /^PATCH .* [1-9]\d*-\d+$/.test(line));
      assert.equal(resumed.length, 2, proxy.requests.join('\n'));
    });

    it('survives that only the answer to the last request of an upload is lost', async () => {
      const lost = first(2, ({ method, url = '' }) => method === 'PUT' && url.includes('digest='), {
        cutAnswerAfter: 0,
      });
      await push('lost/app', await through(lost));
      assert.equal(await tagOf('lost/app'), digest);
    });

    it('waits as long as it is told to', async () => {
      const busy = first(1, ({ method }) => method === 'POST', { status: 429, headers: { 'retry-after': '1' } });
      const started = performance.now();
      await push('busy/app', await through(busy));
      assert.ok(performance.now() - started >= 1000);
      assert.equal(await tagOf('busy/app'), digest);
    });

    it('gets a new token when the old one is refused in the middle of an upload', async () => {
      const headers = { 'www-authenticate': 'Basic realm="x"' };
      const challenge =
        registry.login === undefined
          ? headers
          : { 'www-authenticate': `Bearer realm="http://${registry.host}/token",service="${registry.host}"` };
      const refused = first(1, ({ method }) => method === 'PATCH', { status: 401, headers: challenge });
      await push('renewed/app', await through(refused));
      assert.equal(await tagOf('renewed/app'), digest);
    });

    it('gives up on a registry that keeps failing, and sets no tag', async () => {
      const broken = await through(({ method }) => (method === 'PUT' ? { status: 500 } : undefined));
      await assert.rejects(
        push('broken/app', broken),
        /cannot (finish the blob|write the manifest).*the server failed/,
      );
      assert.equal(await tagOf('broken/app'), undefined);
    });

    it('takes no wrong byte, from whichever side', async () => {
      const corrupt = await through(({ method, url = '' }) =>
        method === 'GET' && isLayer({ url } as IncomingMessage) ? { corruptByteAt: 50 } : undefined,
      );
      await assert.rejects(pull(corrupt), /is damaged: its bytes hash to/);
      const source = new RegistryImage(client(corrupt.host), 'good/app');
      const target = new RegistryImage(client(registry.host), 'corrupt/app');
      await assert.rejects(
        copyImage({ source, target, image: 'x', tag: 'x', signal: AbortSignal.timeout(120_000) }),
        /is damaged/,
      );
      assert.equal(await tagOf('corrupt/app'), undefined);
    });

    it('leaves no partial file behind', async () => {
      const cut = await through(({ method, url = '' }) =>
        method === 'GET' && isLayer({ url } as IncomingMessage) ? { cutAnswerAfter: 0 } : undefined,
      );
      const before = await readdir(scratch);
      await assert.rejects(pull(cut), /the connection was cut|ended after 0 of/);
      const folder = (await readdir(scratch)).find((entry) => !before.includes(entry)) as string;
      const files = await readdir(join(scratch, folder), { recursive: true });
      assert.deepEqual(
        files.filter((file) => file.endsWith('.partial') || file === 'index.json'),
        [],
      );
    });
  });
}
