/** Memory of the registry as the image runs it is bounded whatever passes through: layers, large manifests, many clients. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bundle } from '../../../build/bundle.ts';
import { type Client, client, digestOf, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';

const mebibyte = 1024 * 1024;
/** The registry's promise: 100 MiB of resident memory, at its highest. */
const bound = 100 * mebibyte;
const layerChunks = 2048;

let server: Server;
let registry: Client;
const dist = mkdtempSync(join(tmpdir(), 'ne-dist-'));
before(async () => {
  await bundle(dist);
  server = await startServer({ bundle: dist });
  registry = client(server);
});
after(async () => {
  await server.discard();
  rmSync(dist, { recursive: true, force: true });
});

/** The most that was ever resident, bytes. */
function peak(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

function assertBounded(): void {
  assert.ok(peak() <= bound, `${(peak() / mebibyte).toFixed(1)} MiB were resident`);
}

/** A gibibyte-scale layer that costs the test no memory: one chunk over and over. */
const chunk = randomBytes(mebibyte);

function layerDigest(): string {
  const hash = createHash('sha256');
  for (let count = 0; count < layerChunks; count++) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

function send(method: string, path: string, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: server.authorization, 'content-length': length };
    const request = httpRequest(new URL(path, server.url), { method, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    request.once('error', reject);
    let left = length / chunk.length;
    const write = () => {
      while (left-- > 0) if (!request.write(chunk)) return void request.once('drain', write);
      request.end();
    };
    write();
  });
}

function receive(path: string): Promise<{ digest: string; length: number }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: server.authorization };
    const request = httpRequest(new URL(path, server.url), { headers }, (response: IncomingMessage) => {
      const hash = createHash('sha256');
      let length = 0;
      response.on('data', (part: Buffer) => {
        hash.update(part);
        length += part.length;
      });
      response.once('end', () => resolve({ digest: `sha256:${hash.digest('hex')}`, length }));
      response.once('error', reject);
    });
    request.once('error', reject);
    request.end();
  });
}

describe('resident memory stays within 100 MiB', () => {
  test('while a layer of 2 GiB is pushed and pulled', { timeout: 300_000 }, async () => {
    const digest = layerDigest();
    const begun = await registry.request('POST', '/v2/large/blobs/uploads/');
    const location = begun.headers.get('location') ?? '';
    assert.equal(await send('PUT', `${location}?digest=${digest}`, layerChunks * mebibyte), 201);
    assert.deepEqual(await receive(`/v2/large/blobs/${digest}`), { digest, length: layerChunks * mebibyte });
    assertBounded();
  });

  test('while eight layers of 64 MiB arrive and leave at once', { timeout: 300_000 }, async () => {
    const hash = createHash('sha256');
    for (let count = 0; count < 64; count++) hash.update(chunk);
    const digest = `sha256:${hash.digest('hex')}`;
    await Promise.all(
      Array.from({ length: 8 }, async (_, number) => {
        const begun = await registry.request('POST', `/v2/many-${number}/blobs/uploads/`);
        const location = begun.headers.get('location') ?? '';
        assert.equal(await send('PUT', `${location}?digest=${digest}`, 64 * mebibyte), 201);
        assert.equal((await receive(`/v2/many-${number}/blobs/${digest}`)).digest, digest);
      }),
    );
    assertBounded();
  });

  test('while manifests of 3.9 MiB come and go', { timeout: 300_000 }, async () => {
    for (let number = 0; number < 20; number++) {
      const padding = { n: String(number), padding: 'x'.repeat(3.9 * mebibyte) };
      const body = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], annotations: padding }),
      );
      const headers = { 'content-type': indexType };
      assert.equal((await registry.request('PUT', `/v2/heavy/manifests/v${number}`, { body, headers })).status, 201);
      assert.equal(digestOf((await registry.request('GET', `/v2/heavy/manifests/v${number}`)).body), digestOf(body));
    }
    assertBounded();
  });

  test('while a thousand images are pushed', { timeout: 300_000 }, async () => {
    const push = async (number: number) => {
      const body = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], annotations: { n: String(number) } }),
      );
      const headers = { 'content-type': indexType };
      const put = await registry.request('PUT', `/v2/small/manifests/v${number}`, { body, headers });
      assert.equal(put.status, 201);
    };
    for (let batch = 0; batch < 1000; batch += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => push(batch + index)));
    }
    assertBounded();
  });
});
