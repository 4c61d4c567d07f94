/** What the tests of replicas cut has to be cut, whatever state its connections are in. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { Relay } from '../../e2e/replicas/relay.ts';
import { makeCertificate } from '../../programs/certificate.ts';

for (const encrypted of [false, true])
  test(`a relay ${encrypted ? 'with' : 'without'} TLS is cut in the middle of a handshake too, and mended`, {
    timeout: 30_000,
  }, async (t) => {
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port: target } = server.address() as { port: number };
    const tls = encrypted ? { tls: await makeCertificate('relay') } : {};
    const relay = await Relay.start({ host: '127.0.0.1', target, ...tls });
    const open = () => connect(relay.port, '127.0.0.1').on('error', () => undefined);
    const speaking = (): Socket =>
      encrypted ? connectTls({ port: relay.port, host: '127.0.0.1', rejectUnauthorized: false }) : open();

    const silent = open();
    const used = speaking().on('error', () => undefined);
    t.after(() => [silent, used].forEach((socket) => void socket.destroy()));
    used.write('x');
    assert.equal(String((await once(used, 'data'))[0]), 'x');
    const ends = [silent, used].map((socket) => once(socket, 'close'));
    await sleep(50);
    await relay.cut();
    await Promise.all(ends);

    await relay.mend();
    const later = speaking();
    later.write('y');
    assert.equal(String((await once(later, 'data'))[0]), 'y');
    await relay.cut();
  });
