/** Bodies of uploads as they leave the socket, over real connections. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { flowing } from '../../../src/registry/http/flowing.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

async function serve(t: TestContext, handler: Handler): Promise<{ port: number; failed: Promise<unknown> }> {
  const failed = Promise.withResolvers<unknown>();
  const server = createServer((incoming, response) => {
    handler(incoming, response).catch(failed.resolve);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close().closeAllConnections());
  return { port: (server.address() as AddressInfo).port, failed: failed.promise };
}

async function put(port: number, body: Buffer): Promise<string> {
  const sent = request({ host: '127.0.0.1', port, method: 'PUT', agent: false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of response) text += part;
  return text;
}

test('every byte in order, whatever the reader does between two chunks', { timeout: 60_000 }, async (t) => {
  let most = 0;
  const { port } = await serve(t, async (incoming, response) => {
    const parts: Buffer[] = [];
    let taken = 0;
    for await (const part of flowing(incoming)) {
      parts.push(part);
      taken += part.length;
      if (parts.length % 7 === 0) await sleep(5);
      if (parts.length % 5 === 0) await undefined;
      most = Math.max(most, incoming.socket.bytesRead - taken);
    }
    response.end(Buffer.concat(parts).toString('base64'));
  });
  for (const size of [0, 1, 70_000, 5_000_000]) {
    const body = randomBytes(size);
    assert.equal(await put(port, body), body.toString('base64'), `${size} bytes`);
  }
  assert.ok(most <= 256 * 1024, `${most} bytes piled up in front of a slow reader`);
});

test('a reader that stops gets no more, and can still answer', { timeout: 60_000 }, async (t) => {
  let read = Number.NaN;
  const { port } = await serve(t, async (incoming, response) => {
    for await (const _ of flowing(incoming)) break;
    const before = incoming.socket.bytesRead;
    await sleep(100);
    read = incoming.socket.bytesRead - before;
    response.end('no');
    incoming.resume();
  });
  assert.equal(await put(port, randomBytes(3_000_000)), 'no');
  assert.ok(read <= 128 * 1024, `${read} bytes more were read`);
});

test('a client that goes away in the middle is an error, also where nobody was waiting', {
  timeout: 60_000,
}, async (t) => {
  for (const pause of [0, 100]) {
    const arrived = Promise.withResolvers<void>();
    const { port, failed } = await serve(t, async (incoming) => {
      for await (const _ of flowing(incoming)) {
        arrived.resolve();
        await sleep(pause);
      }
    });
    const socket = connect(port, '127.0.0.1');
    socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
    await arrived.promise;
    await sleep(30);
    socket.destroy();
    assert.match(String((await failed) as Error), /aborted|[Pp]remature/);
  }
});

test('a body that was over before anybody asked', { timeout: 60_000 }, async (t) => {
  const { port } = await serve(t, async (incoming, response) => {
    for await (const _ of flowing(incoming)) assert.fail('there is nothing');
    let again = 0;
    for await (const _ of flowing(incoming)) again++;
    response.end(`${again}`);
  });
  assert.equal(await put(port, Buffer.alloc(0)), '0');
});
