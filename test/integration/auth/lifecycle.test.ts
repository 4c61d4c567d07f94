import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { Agent, get } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { writeCertificate } from './certificate.ts';
import { startTestRegistry, type TestRegistry } from './registry.ts';

/** Begins an upload whose body stays open: a request in flight. */
async function slowUpload(registry: TestRegistry) {
  const authorization = registry.basic('alice');
  const begun = await fetch(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST', headers: { authorization } });
  const url = new URL(begun.headers.get('location') ?? '', registry.url);
  const upload = httpRequest(url, {
    method: 'PATCH',
    headers: { authorization, 'content-type': 'application/octet-stream', expect: '100-continue' },
  });
  const answered = once(upload, 'response');
  // The registry asks for the body: the request has arrived.
  await once(upload, 'continue');
  upload.write('first');
  return { upload, answered };
}

const canConnect = (url: string) =>
  new Promise<boolean>((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.unref();
  });

test('while it stops it is not ready, takes no connection, and lets a request in flight end', async () => {
  await using registry = await startTestRegistry();
  const { upload, answered } = await slowUpload(registry);
  const stopped = registry.stop();
  let ready = await fetch(`${registry.managementUrl}/readyz`);
  while (ready.status === 200) {
    await ready.arrayBuffer();
    await setTimeout(20);
    ready = await fetch(`${registry.managementUrl}/readyz`);
  }
  assert.equal(ready.status, 503);
  assert.equal(await ready.text(), 'stopping\n');
  assert.equal((await fetch(`${registry.managementUrl}/healthz`)).status, 200, 'alive all the same');
  assert.equal(await canConnect(registry.url), false);
  upload.end('second');
  const [response] = await answered;
  assert.equal(response.statusCode, 202);
  assert.equal(response.headers.range, '0-10');
  response.resume();
  assert.equal(await stopped, 0);
});

test('a request that takes longer than drainSeconds is cut, and the log says so', async () => {
  await using registry = await startTestRegistry({ more: 'drainSeconds: 1' });
  const { answered } = await slowUpload(registry);
  const cut = assert.rejects(answered);
  const began = performance.now();
  assert.equal(await registry.stop(), 0);
  await cut;
  // The usual time is 25 seconds.
  assert.ok(performance.now() - began < 15_000);
  assert.ok(registry.lines.some(({ message }) => /longer than drainSeconds/.test(message)));
});

test('an idle connection does not hold up the end', async () => {
  await using registry = await startTestRegistry();
  await (await fetch(`${registry.url}/v2/`)).text();
  const began = performance.now();
  await registry.stop();
  // Requests in flight would be given 25 seconds, and idle connections live for longer.
  assert.ok(performance.now() - began < 15_000);
});

function ping(url: string, agent: Agent): Promise<{ status: number | undefined; subject: string; reused: boolean }> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/v2/`, { agent, rejectUnauthorized: false }, (response) => {
      const subject = String((response.socket as TLSSocket).getPeerCertificate().subject?.CN);
      response
        .resume()
        .once('end', () => resolve({ status: response.statusCode, subject, reused: request.reusedSocket }));
    });
    request.once('error', reject);
  });
}

test('a renewed certificate is given to new connections, and open ones go on', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'ne-registry-tls-'));
  context.after(() => rmSync(folder, { recursive: true }));
  writeCertificate(folder, 'first');
  await using registry = await startTestRegistry({
    more: `tls: {certFile: ${folder}/tls.crt, keyFile: ${folder}/tls.key}`,
  });
  const open = new Agent({ keepAlive: true, maxSockets: 1 });
  context.after(() => open.destroy());
  assert.deepEqual(await ping(registry.url, open), { status: 401, subject: 'first', reused: false });
  writeCertificate(folder, 'second');
  await registry.registry.reload();
  assert.equal((await ping(registry.url, open)).reused, true);
  assert.equal((await ping(registry.url, new Agent())).subject, 'second');
});

test('a certificate whose key belongs to another is not taken; the one before goes on', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'ne-registry-tls-'));
  context.after(() => rmSync(folder, { recursive: true }));
  writeCertificate(folder, 'first');
  await using registry = await startTestRegistry({
    more: `tls: {certFile: ${folder}/tls.crt, keyFile: ${folder}/tls.key}`,
  });
  renameSync(join(folder, 'tls.key'), join(folder, 'old.key'));
  writeCertificate(folder, 'second');
  renameSync(join(folder, 'old.key'), join(folder, 'tls.key'));
  await registry.registry.reload();
  assert.equal((await ping(registry.url, new Agent())).subject, 'first');
  assert.ok(
    registry.lines.some(({ level, message }) => level === 'error' && /no pair of certificate and key/.test(message)),
  );
});

test('a host name in the Host header cannot break out of the challenge', async () => {
  await using registry = await startTestRegistry();
  const { hostname, port } = new URL(registry.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write('GET /v2/ HTTP/1.1\r\nHost: evil",scope="x\r\nConnection: close\r\n\r\n');
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  assert.match(answer, /www-authenticate: Bearer realm="http:\/\/reg\.example\/token",service="reg\.example"\r\n/i);
});
