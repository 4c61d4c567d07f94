/** Blobs are read past node:http: every answer that it would understand is understood, and none is taken for what it is not. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { DigestCheck } from '../../../src/transfer/digest-check.ts';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { readBlob } from '../../../src/transfer/registry/blob-reader.ts';
import { RegistryClient } from '../../../src/transfer/registry/client.ts';

const bytes = randomBytes(900_000);
const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const retry = { attempts: 3, baseMs: 1, capMs: 5, maxRetryAfterMs: 100 };
const ok = `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`;

describe('a large read', () => {
  let server: Server;
  let client: RegistryClient;
  /** One that counts so many milliseconds without a byte as a cut. */
  let connect: (idleMs: number) => RegistryClient;
  let connections = 0;
  let asked: string[] = [];
  const sockets = new Set<Socket>();
  /** Answers a request for the blob; how often it was asked for is counted from one. */
  let answer: (socket: Socket, request: string, times: number) => unknown;

  before(async () => {
    server = createServer((socket) => {
      connections += 1;
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
      let seen = '';
      socket.on('data', (text: Buffer) => {
        seen += text.toString('latin1');
        for (let end = seen.indexOf('\r\n\r\n'); end >= 0; end = seen.indexOf('\r\n\r\n')) {
          const request = seen.slice(0, end);
          seen = seen.slice(end + 4);
          if (request.startsWith('GET /v2/ ')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
          else answer(socket, request, asked.push(request));
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  beforeEach(() => {
    asked = [];
    connections = 0;
    client?.close();
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const trust = () => ({ plainHttp: true });
    connect = (idleMs) => new RegistryClient(host, { credentials: async () => undefined, retry, trust, idleMs });
    client = connect(15_000);
  });

  after(() => {
    client.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  /** Reads the blob as a copy does: each chunk is looked at before the next is asked for, and not kept. */
  async function read(pauseMs = 0): Promise<void> {
    const chunks = readBlob(
      client,
      { repository: 'x', digest, size: bytes.length, lent: true },
      0,
      AbortSignal.timeout(60_000),
    );
    for await (const chunk of new DigestCheck({ digest, size: bytes.length }, 'it').passing(chunks, 0)) {
      assert.ok(chunk.length <= 262_144);
      if (pauseMs > 0) await delay(pauseMs);
    }
  }

  const send =
    (head: string, body: Buffer = bytes) =>
    (socket: Socket) => {
      socket.write(head);
      socket.write(body);
    };

  it('uses a connection again for the next', async () => {
    answer = send(ok);
    for (let times = 0; times < 4; times++) await read();
    // One for the greeting, one for the blobs.
    assert.equal(connections, 2);
  });

  it('keeps its bytes apart, however slowly they are taken', async () => {
    answer = async (socket) => {
      socket.write(ok);
      for (let at = 0; at < bytes.length; at += 90_000) {
        socket.write(bytes.subarray(at, at + 90_000));
        await delay(1);
      }
    };
    await read(4);
  });

  it('goes on after a cut, over another connection', async () => {
    answer = (socket, request, times) => {
      const from = Number(/range: bytes=(\d+)-/.exec(request)?.[1] ?? 0);
      const head =
        from === 0
          ? ok
          : `HTTP/1.1 206 Partial\r\ncontent-range: bytes ${from}-${bytes.length - 1}/${bytes.length}\r\ncontent-length: ${bytes.length - from}\r\n\r\n`;
      socket.write(head);
      if (times < 3) socket.end(bytes.subarray(from, from + 300_000));
      else socket.write(bytes.subarray(from));
    };
    await read();
    assert.deepEqual(
      asked.map((request) => /bytes=\d+-/.exec(request)?.[0]),
      [undefined, 'bytes=300000-', 'bytes=600000-'],
    );
  });

  it('notices that a connection was closed while it waited', async () => {
    answer = send(ok);
    await read();
    for (const socket of sockets) socket.destroy();
    await read();
  });

  it('leaves chunks to who understands them', async () => {
    answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      socket.write(`${bytes.length.toString(16)}\r\n`);
      socket.write(bytes);
      socket.write('\r\n0\r\n\r\n');
    };
    await read();
    assert.equal(asked.length, 2);
  });

  it('says what a refusal says', async () => {
    const body = '{"errors":[{"code":"DENIED","message":"not for you"}]}';
    answer = send(`HTTP/1.1 403 No\r\ncontent-length: ${body.length}\r\n\r\n`, Buffer.from(body));
    await assert.rejects(read(), (error) => isTransferError(error, 'Denied') && /not for you/.test(error.message));
  });

  it('takes nothing from what comes behind an answer', async () => {
    // The next answer, written by who made this one.
    answer = send(ok, Buffer.concat([bytes, Buffer.from(ok), randomBytes(500_000)]));
    await read();
    answer = send(ok);
    await read();
    assert.equal(connections, 3);
  });

  const odd: Record<string, string> = {
    'two lengths': `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\ncontent-length: 5\r\n\r\n`,
    'a length and chunks': `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\ntransfer-encoding: chunked\r\n\r\n`,
    'another protocol': 'SSH-2.0-OpenSSH_9\r\n\r\n',
    'a head without end': `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(200_000)}`,
    'a negative length': 'HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n',
  };
  for (const [name, head] of Object.entries(odd)) {
    it(`fails in words at ${name}`, async () => {
      answer = (socket) => socket.end(head);
      await assert.rejects(read(), (error) => isTransferError(error));
    });
  }

  it('counts silence as a cut', async () => {
    answer = (socket, _request, times) => {
      socket.write(ok);
      if (times > 1) socket.write(bytes);
    };
    client.close();
    client = connect(3000);
    await read();
    assert.equal(asked.length, 2);
  });

  it('ends at once when it is cancelled', async () => {
    answer = (socket) => socket.write(ok);
    const cancel = new AbortController();
    const chunks = readBlob(client, { repository: 'x', digest, size: bytes.length }, 0, cancel.signal);
    const reading = chunks.next();
    await delay(50);
    const started = performance.now();
    cancel.abort();
    await assert.rejects(reading, (error) => isTransferError(error, 'Cancelled'));
    // Silence would end it, too, later.
    assert.ok(performance.now() - started < 5000);
  });
});
