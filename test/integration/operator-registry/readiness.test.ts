/** How the operator asks a pod why it takes no requests: over the network, of a server on the management port. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { test } from 'node:test';
import { askReadiness } from '../../../src/operator/registry/admin-api.ts';
import { ports } from '../../../src/operator/registry/paths.ts';

/** Addresses of the loopback network that no other test listens on. */
let last = 40;

async function pod(listener: RequestListener): Promise<{ address: string } & AsyncDisposable> {
  const address = `127.0.77.${last++}`;
  const server = createServer(listener).listen(ports.management, address);
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    server.close();
  };
  return { address, [Symbol.asyncDispose]: close };
}

test('what it says with a 503 is the reason, a 200 is none', async () => {
  let status = 503;
  await using one = await pod((_request, response) => void response.writeHead(status).end('the database is away\n'));
  const signal = new AbortController().signal;
  assert.equal(await askReadiness(one.address, signal), 'the database is away');
  status = 200;
  assert.equal(await askReadiness(one.address, signal), undefined);
});

test('silence is a reason of its own, nobody is none, and an operator that ends asks no longer', async (t) => {
  await using silent = await pod(() => undefined);
  const signal = new AbortController().signal;
  const asked = askReadiness(silent.address, signal);
  await assert.rejects(askReadiness('127.0.77.250', signal), /ECONNREFUSED/);
  await assert.rejects(askReadiness(silent.address, AbortSignal.timeout(200)), /abort/i);
  assert.match((await asked) ?? '', /does not say within 12 s/);
  t.diagnostic('waited for the whole of it');
});
