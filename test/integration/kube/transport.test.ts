import 'reflect-metadata';
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { X509CertificateGenerator } from '@peculiar/x509';
import { isSilence } from '../../../src/operator/kube/error.ts';
import { Transport, type TransportOptions } from '../../../src/operator/kube/transport.ts';
import { lines } from '../../../src/operator/kube/watch.ts';
import { connectionFromFile } from './setup.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A key and a certificate for 127.0.0.1, both new, in PEM. */
async function selfSigned(): Promise<{ key: string; cert: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    signingAlgorithm: algorithm,
    notAfter: new Date(Date.now() + 3_600_000),
  });
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`, cert: certificate.toString('pem') };
}

describe('the transport, against a server with moods', () => {
  let server: Server;
  let dir: string;
  let kubeconfig: string;
  let handler: Handler = () => undefined;
  const seen: IncomingMessage[] = [];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ne-transport-'));
    const { key, cert } = await selfSigned();
    server = createServer({ key, cert }, (request, response) => {
      seen.push(request);
      handler(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    kubeconfig = join(dir, 'kubeconfig');
    const cluster = {
      server: `https://127.0.0.1:${(server.address() as AddressInfo).port}/prefix/`,
      'certificate-authority-data': Buffer.from(cert).toString('base64'),
      'tls-server-name': 'localhost',
    };
    await writeFile(
      kubeconfig,
      JSON.stringify({
        'current-context': 'c',
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace: 'n' } }],
        clusters: [{ name: 'c', cluster }],
        users: [{ name: 'u', user: { username: 'somebody', password: dir } }],
      }),
    );
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true, force: true });
  });

  const transport = (options: Partial<TransportOptions> = {}): Transport => {
    seen.length = 0;
    return new Transport(connectionFromFile(kubeconfig), { userAgent: 'ne-registry-operator/1.2.3', ...options });
  };
  const answer = (
    response: ServerResponse,
    status: number,
    body: unknown,
    headers: Record<string, string> = {},
  ): void => {
    response.writeHead(status, headers).end(JSON.stringify(body));
  };
  const tooMany = { kind: 'Status', code: 429, reason: 'TooManyRequests', message: 'slow down' };

  test('sends who it is, below the path of the server, over one kept connection', async (t) => {
    const own = transport();
    t.after(() => own.close());
    handler = (_request, response) => answer(response, 200, {});
    for (let n = 0; n < 3; n++) await own.send({ method: 'GET', path: '/api/v1' });
    const [first] = seen;
    assert.equal(first?.url, '/prefix/api/v1');
    assert.equal(first?.headers['user-agent'], 'ne-registry-operator/1.2.3');
    assert.match(first?.headers.authorization ?? '', /^Basic /);
    assert.equal(new Set(seen.map(({ socket }) => socket)).size, 1);
    assert.equal(connectionFromFile(kubeconfig).namespace(), 'n');
  });

  for (const status of [429, 503]) {
    test(`waits as long as ${status} asks, and gives up after its tries`, async (t) => {
      const own = transport({ retries: 1 });
      t.after(() => own.close());
      handler = (_request, response) =>
        seen.length === 1
          ? answer(response, status, tooMany, { 'retry-after': '1' })
          : answer(response, 200, { ok: true });
      const started = Date.now();
      assert.deepEqual(await own.send({ method: 'POST', path: '/', body: {} }), { ok: true });
      assert.ok(Date.now() - started >= 990);
      handler = (_request, response) => answer(response, status, tooMany, { 'retry-after': '0' });
      await assert.rejects(own.send({ method: 'GET', path: '/' }), { status, retryAfterSeconds: 0 });
    });
  }

  test('a server that does not answer, or not to the end, is given up', async (t) => {
    const own = transport({ timeoutMs: 200 });
    t.after(() => own.close());
    handler = () => undefined;
    await assert.rejects(own.send({ method: 'GET', path: '/' }), { status: 0, message: /no answer within 0.2 s/ });
    handler = (_request, response) => void response.writeHead(200).write('{');
    await assert.rejects(own.send({ method: 'GET', path: '/' }), { status: 0, message: /no answer within 0.2 s/ });
  });

  test('a kept connection that the server closed is no error, except where it could be done twice', async (t) => {
    const own = transport();
    t.after(() => own.close());
    for (const method of ['GET', 'PATCH', 'POST'] as const) {
      handler = (_request, response) => answer(response, 200, {});
      await own.send({ method: 'GET', path: '/' });
      let cut = false;
      handler = (request, response) => {
        if (cut) answer(response, 200, { ok: true });
        else request.socket.destroy();
        cut = true;
      };
      const sent = own.send({ method, path: '/' });
      if (method === 'POST') await assert.rejects(sent, { status: 0 });
      else assert.deepEqual(await sent, { ok: true });
    }
  });

  test('a page of a proxy instead of JSON is an error with its status', async (t) => {
    const own = transport();
    t.after(() => own.close());
    handler = (_request, response) => void response.writeHead(502).end('<html>');
    await assert.rejects(own.send({ method: 'GET', path: '/x' }), { status: 502, message: /GET \/x: .*answered 502/ });
    handler = (_request, response) => void response.writeHead(200).end('<html>');
    await assert.rejects(own.send({ method: 'GET', path: '/x' }), { status: 0 });
  });

  test('a stream that falls silent, or is stopped, ends with an error', async (t) => {
    const own = transport();
    t.after(() => own.close());
    handler = (_request, response) => void response.writeHead(200).write('{"a":1}\n{"b"');
    const got: string[] = [];
    const read = async (idleMs: number, stop?: AbortController): Promise<void> => {
      for await (const line of lines(own.stream('/', idleMs, stop?.signal))) {
        got.push(line);
        setTimeout(() => stop?.abort(), 50);
      }
    };
    // Longer than this process may be held up for between two lines: then what has come in looks like silence.
    await assert.rejects(read(3000), (error: Error) => isSilence(error) && /nothing heard for 3 s/.test(error.message));
    const stop = new AbortController();
    const stopped = (error: Error) => !isSilence(error) && /stopped/.test(error.message);
    await assert.rejects(read(10_000, stop), stopped);
    assert.deepEqual(got, ['{"a":1}', '{"a":1}']);
  });

  test('a stream that is stopped while it opens ends at once', async (t) => {
    const own = transport();
    t.after(() => own.close());
    for (const answerAfterMs of [0, 100]) {
      const stop = new AbortController();
      handler = (_request, response) => {
        stop.abort();
        setTimeout(() => response.writeHead(200).write('{}\n'), answerAfterMs);
      };
      const started = Date.now();
      await assert.rejects(Array.fromAsync(own.stream('/', 10_000, stop.signal)), { status: 0 });
      assert.ok(Date.now() - started < 5000);
    }
  });

  test('lines come whole, however they are cut', async () => {
    const text = Buffer.from('{"ä":"ö"}\n\n{"long":"…"}\nrest');
    for (let size = 1; size < text.length; size++) {
      const chunks = async function* () {
        for (let start = 0; start < text.length; start += size) yield text.subarray(start, start + size);
      };
      assert.deepEqual(await Array.fromAsync(lines(chunks())), ['{"ä":"ö"}', '', '{"long":"…"}']);
    }
  });
});
