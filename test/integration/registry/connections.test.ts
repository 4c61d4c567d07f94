/** Thousands of connections that do nothing: bounded memory, and others are served. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle } from '../../../build/bundle.ts';
import { type Server, startServer } from './server.ts';

const mebibyte = 1024 * 1024;
const hostile = '127.0.0.3';
let server: Server;
const dist = mkdtempSync(join(tmpdir(), 'ne-dist-'));
before(async () => {
  await bundle(dist);
  server = await startServer({ bundle: dist });
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

/** `GET /v2/` from another address on a new connection: status and milliseconds. */
function ping(): Promise<{ status: number | undefined; millis: number }> {
  const began = performance.now();
  const options = { headers: { authorization: server.authorization }, localAddress: '127.0.0.2', agent: false };
  return new Promise((resolve, reject) => {
    const asked = httpRequest(new URL('/v2/', server.url), options, (answer) => {
      answer.resume();
      answer.once('end', () => resolve({ status: answer.statusCode, millis: performance.now() - began }));
    });
    asked.once('error', reject).end();
  });
}

/** Connections that send nothing; a hundred are opened at a time. */
async function crowd(count: number): Promise<Socket[]> {
  const [host = '', port = ''] = server.host.split(':');
  const sockets: Socket[] = [];
  for (let done = 0; done < count; done += 100) {
    const opened = Array.from({ length: 100 }, async () => {
      const socket = connect({ host, port: Number(port), localAddress: hostile });
      sockets.push(socket);
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    });
    await Promise.all(opened);
  }
  return sockets;
}

test('10,500 idle connections from one address: another is served, and memory stays what it was', async () => {
  await ping();
  const before = peak();
  const sockets = await crowd(10_500);
  try {
    for (let count = 0; count < 20; count++) {
      const { status, millis } = await ping();
      assert.equal(status, 200);
      assert.ok(millis < 5000, `${millis} ms`);
    }
    const more = (peak() - before) / mebibyte;
    assert.ok(more < 40, `${more.toFixed(1)} MiB more were resident`);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});
