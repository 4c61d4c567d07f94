/** Where a connection leads and whom it trusts: addresses, authorities, proxies, redirects, plain HTTP. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  createServer,
  request as forward,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { ruleAdvice } from '../../../src/transfer/advice.ts';
import { DigestCheck } from '../../../src/transfer/digest-check.ts';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { readBlob } from '../../../src/transfer/registry/blob-reader.ts';
import { RegistryClient, type RegistryOptions } from '../../../src/transfer/registry/client.ts';
import { makeCertificate } from '../../programs/certificate.ts';

const bytes = randomBytes(700_000);
const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const retry = { attempts: 1, baseMs: 1, capMs: 1, maxRetryAfterMs: 1 };
const password = randomBytes(12).toString('hex');
const login = `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`;

/** What a server was asked, and how it was called. */
interface Asked {
  readonly path: string;
  readonly host: string;
  readonly name: string | undefined;
  readonly authorization: string | undefined;
}

describe('a connection', () => {
  const servers: Server[] = [];
  const asked: Asked[] = [];
  let redirectTo: string | undefined;
  let secure: { port: number; ca: string };
  let storage: { port: number; ca: string };
  let plainPort: number;

  before(async () => {
    secure = await startTls('registry.test', registry);
    storage = await startTls('storage.test', registry);
    plainPort = await listen(createServer(registry));
  });

  after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  /** Asks for a password everywhere but at the end of a redirect. */
  function registry(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', headers, socket } = request;
    const name = (socket as TLSSocket).servername;
    asked.push({
      path: url,
      host: headers.host ?? '',
      name: typeof name === 'string' ? name : undefined,
      authorization: headers.authorization,
    });
    if (url.startsWith('/elsewhere')) {
      send(response, bytes);
      return;
    }
    if (headers.authorization !== login) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"', 'content-length': '0' }).end();
      return;
    }
    if (url.includes('/blobs/') && redirectTo !== undefined) {
      response.writeHead(307, { location: redirectTo, 'content-length': '0' }).end();
      return;
    }
    send(response, url.includes('/blobs/') ? bytes : Buffer.from('{}'));
  }

  function send(response: ServerResponse, body: Buffer): void {
    response.writeHead(200, { 'content-length': String(body.length) }).end(body);
  }

  async function listen(server: Server): Promise<number> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  async function startTls(name: string, listener: RequestListener): Promise<{ port: number; ca: string }> {
    const { key, cert } = await makeCertificate(name);
    return { port: await listen(createTlsServer({ key, cert }, listener)), ca: cert };
  }

  /** A proxy for which every name is this machine. */
  async function startProxy(): Promise<{ url: string; lines: string[] }> {
    const lines: string[] = [];
    const proxy = createServer((request, response) => {
      lines.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
      const { pathname, search, port } = new URL(request.url ?? '');
      const { method, headers } = request;
      const onward = forward({ host: '127.0.0.1', port, path: pathname + search, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    proxy.on('connect', (request, socket) => {
      lines.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
      const onward = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
    return { url: `http://bob:${password}@127.0.0.1:${await listen(proxy)}`, lines };
  }

  async function readFrom(host: string, options: Partial<RegistryOptions>, lent = false): Promise<void> {
    const credentials = async (name: string) => (name === host ? { username: 'alice', password } : undefined);
    const client = new RegistryClient(host, { credentials, retry, strict: true, advice: ruleAdvice, ...options });
    const blob = { repository: 'team/app', digest, size: bytes.length, lent };
    asked.length = 0;
    try {
      const chunks = readBlob(client, blob, 0, AbortSignal.timeout(60_000));
      for await (const _ of new DigestCheck(blob, host).passing(chunks, 0));
    } finally {
      client.close();
    }
  }

  it('is dialled at another address, under the name of the registry', async () => {
    const trust = () => ({ ca: [secure.ca], address: `127.0.0.1:${secure.port}` });
    await readFrom('registry.test:5000', { trust });
    assert.ok(asked.length >= 2);
    for (const one of asked) assert.deepEqual([one.host, one.name], ['registry.test:5000', 'registry.test']);
  });

  it('trusts the authority that is given for its host, and says where to give one', async () => {
    const address = `127.0.0.1:${secure.port}`;
    const refused = readFrom('registry.test', { trust: () => ({ address }) });
    await assert.rejects(refused, (error) => {
      assert.ok(isTransferError(error, 'Untrusted'));
      assert.equal(error.course, 'stalled');
      return /registry\.test in the rule's connections\[\]\.caBundle/.test(error.message);
    });
    const wrong = readFrom('other.test', { trust: () => ({ address, ca: [secure.ca] }) });
    await assert.rejects(wrong, (error) => isTransferError(error, 'Untrusted'));
  });

  it('is without TLS only where that is asked for, on this machine too', async () => {
    const host = `127.0.0.1:${plainPort}`;
    await assert.rejects(readFrom(host, {}), (error) => {
      assert.ok(isTransferError(error, 'Untrusted'));
      return /set insecure for 127\.0\.0\.1:\d+ in the rule's connections/.test(error.message);
    });
    await readFrom(host, { trust: () => ({ plainHttp: true }) });
    assert.equal(asked.at(-1)?.authorization, login);
  });

  it('goes through the proxy of its host, with CONNECT for TLS, also where it is redirected to', async () => {
    const proxy = await startProxy();
    const ca = [secure.ca, storage.ca];
    const host = `registry.test:${secure.port}`;
    redirectTo = `https://storage.test:${storage.port}/elsewhere`;
    const trust = (name: string) => (name === host ? { ca, proxy: proxy.url } : { ca });
    await readFrom(host, { trust }).finally(() => {
      redirectTo = undefined;
    });
    const credentials = `Basic ${Buffer.from(`bob:${password}`).toString('base64')}`;
    assert.deepEqual(
      new Set(proxy.lines),
      new Set([
        `CONNECT registry.test:${secure.port} ${credentials}`,
        `CONNECT storage.test:${storage.port} ${credentials}`,
      ]),
    );
    assert.deepEqual(asked.at(-1), {
      path: '/elsewhere',
      host: `storage.test:${storage.port}`,
      name: 'storage.test',
      authorization: undefined,
    });
  });

  it('goes through the proxy without TLS', async () => {
    const proxy = await startProxy();
    const host = `plain.test:${plainPort}`;
    await readFrom(host, { trust: () => ({ plainHttp: true, proxy: proxy.url }) });
    assert.ok(
      proxy.lines.some((line) => line.startsWith(`GET http://${host}/v2/team/app/blobs/`)),
      proxy.lines.join(),
    );
  });

  for (const lent of [false, true]) {
    it(`sheds the credentials where it is redirected to (${lent ? 'lent' : 'owned'} bytes)`, async () => {
      const ca = [secure.ca, storage.ca];
      redirectTo = `https://storage.test:7000/elsewhere?signature=1`;
      const addresses: Record<string, number> = { 'registry.test': secure.port, 'storage.test:7000': storage.port };
      const trust = (name: string) => ({ ca, address: `127.0.0.1:${addresses[name]}` });
      await readFrom('registry.test', { trust }, lent).finally(() => {
        redirectTo = undefined;
      });
      const last = asked.at(-1);
      assert.deepEqual(
        [last?.path, last?.name, last?.authorization],
        ['/elsewhere?signature=1', 'storage.test', undefined],
      );
      assert.ok(asked.slice(0, -1).some(({ authorization }) => authorization === login));
    });
  }
});
