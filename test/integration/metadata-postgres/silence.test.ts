/** A server that vanishes with its network says nothing at all: no error, no end of the connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import { digest, manifest } from '../../contract/fixtures.ts';
import { startPostgres } from '../../programs/postgres.ts';

/** Forwards to a port of this machine, until it is told to swallow everything that comes on the connections it has. */
async function startProxy(port: number) {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => undefined).on('close', () => open.delete(from) && to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => {
      for (const socket of open) socket.removeAllListeners('data').pause();
    },
    cut: () => {
      for (const socket of open) socket.destroy();
    },
    close: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

test('a connection that went silent is given up, and requests are served again within 30 s', async (context) => {
  const server = await startPostgres({ fsync: false });
  const { secretDirectory, uri } = await server.database();
  const proxy = await startProxy(server.port);
  await writeFile(join(secretDirectory, 'uri'), uri.replace(`:${server.port}/`, `:${proxy.port}/`));
  const store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', poolSize: 3 });
  const put = (n: number) => store.putManifest(manifest({ repository: 'r', digest: digest(n), tags: ['t'] }));
  await Promise.all([put(1), put(2), put(3)]);
  proxy.silence();
  const started = performance.now();
  await assert.rejects(put(4), { kind: 'io', message: /whether it was stored is not known/ });
  for (;;) {
    const outcome = await put(5).then(
      () => 'stored',
      () => 'failed',
    );
    if (outcome === 'stored') break;
    assert.ok(performance.now() - started < 30_000, 'not serving again after 30 s');
    await wait(100);
  }
  context.diagnostic(`serving ${Math.round(performance.now() - started)} ms after the network went silent`);
  assert.equal((await store.manifest('r', { tag: 't' }))?.digest, digest(5));
  await store.close();
  proxy.close();
  await server.remove();
});

test('beginning, holding and ending an upload survive a connection that breaks before the answer', async (context) => {
  const server = await startPostgres({ fsync: false });
  context.after(() => server.remove());
  const { secretDirectory, uri } = await server.database();
  const proxy = await startProxy(server.port);
  context.after(() => proxy.close());
  await writeFile(join(secretDirectory, 'uri'), uri.replace(`:${server.port}/`, `:${proxy.port}/`));
  const store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', poolSize: 1 });
  context.after(() => store.close());
  const id = '00000000-0000-4000-8000-000000000001';
  const broken = async <T>(work: () => Promise<T>): Promise<T> => {
    const answer = work();
    // Sent, and perhaps done already, when the connection goes.
    setImmediate(proxy.cut);
    return await answer;
  };
  for (let round = 0; round < 10; round++) {
    await store.repositoryExists('r');
    await broken(() => store.createUpload({ id, repository: 'r', owner: 'o', startedAt: 1 }));
    await store.repositoryExists('r');
    assert.equal(await broken(() => store.holdUpload({ id, holder: 'h', now: 1, until: 2 })), true);
    await store.repositoryExists('r');
    await broken(() => store.releaseUpload({ id, holder: 'h' }));
    assert.equal((await store.upload(id))?.owner, 'o');
    await broken(() => store.deleteUpload(id));
    assert.equal(await store.upload(id), undefined);
  }
});

test('connections that break without a word are made anew, unnoticed by readers', async (context) => {
  const server = await startPostgres({ fsync: false });
  context.after(() => server.remove());
  const { secretDirectory, uri } = await server.database();
  const proxy = await startProxy(server.port);
  context.after(() => proxy.close());
  await writeFile(join(secretDirectory, 'uri'), uri.replace(`:${server.port}/`, `:${proxy.port}/`));
  const store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve' });
  context.after(() => store.close());
  await store.putManifest(manifest({ repository: 'r', digest: digest(1), tags: ['t'] }));
  let reading = true;
  let count = 0;
  const read = async () => {
    for (; reading; count += 1) assert.equal((await store.manifestBytes('r', { tag: 't' }))?.digest, digest(1));
  };
  const readers = Promise.all(Array.from({ length: 16 }, read));
  for (let n = 0; n < 10; n += 1) {
    const before = count;
    for (let tries = 0; count < before + 32 && tries < 3000; tries += 1) await Promise.race([wait(20), readers]);
    assert.ok(count >= before + 32, 'nothing is read any more');
    proxy.cut();
  }
  reading = false;
  await readers;
});
