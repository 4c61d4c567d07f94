import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { readBlob } from '../../../src/transfer/registry/blob-reader.ts';
import { RegistryClient, type RegistryOptions } from '../../../src/transfer/registry/client.ts';
import { listTags } from '../../../src/transfer/registry/listing.ts';
import { getManifest } from '../../../src/transfer/registry/manifests.ts';

const retry = { attempts: 2, baseMs: 5, capMs: 10, maxRetryAfterMs: 100 };
const password = randomBytes(12).toString('hex');
const credentials = async () => ({ username: 'alice', password });
const content = Buffer.from('the bytes of a blob');
const digest: Digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
const blob = { repository: 'team/app', digest, size: content.length };
const signal = () => AbortSignal.timeout(60_000);

/** A server that is up to no good; these are what the client must withstand, so no real registry can play them. */
interface Villain {
  readonly host: string;
  readonly seen: { readonly url: string; readonly authorization: string | undefined }[];
}

describe('a client of a hostile registry', () => {
  const servers: Server[] = [];
  const clients: RegistryClient[] = [];
  let tls: { cert: string; key: string };
  let scratch: string;

  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'ne-hostile-'));
    const [cert, key] = [join(scratch, 'cert.pem'), join(scratch, 'key.pem')];
    const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '1',
        ...subject,
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  });

  after(async () => {
    for (const client of clients) client.close();
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    rmSync(scratch, { recursive: true, force: true });
  });

  async function villain(listener: RequestListener, secure = false): Promise<Villain> {
    const seen: Villain['seen'][number][] = [];
    const handler: RequestListener = (request, response) => {
      seen.push({ url: request.url ?? '', authorization: request.headers.authorization });
      listener(request, response);
    };
    const server = secure ? (createTlsServer(tls, handler) as unknown as Server) : createServer(handler);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
  }

  function clientOf(host: string, options: Partial<RegistryOptions> = {}): RegistryClient {
    const client = new RegistryClient(host, { credentials, retry, ...options });
    clients.push(client);
    return client;
  }

  async function bytesOf(client: RegistryClient): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of readBlob(client, blob, 0, signal())) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  it('sheds its credentials when it is redirected to another origin', async () => {
    const elsewhere = await villain((_request, response) => response.end(content));
    const registry = await villain((request, response) => {
      if (request.headers.authorization === undefined)
        return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      if (request.url === '/v2/') return void response.end();
      response.writeHead(307, { location: `http://${elsewhere.host}/signed?secret=1` }).end();
    });
    assert.equal((await bytesOf(clientOf(registry.host))).compare(content), 0);
    assert.ok(registry.seen.some((one) => one.authorization !== undefined));
    assert.deepEqual(
      elsewhere.seen.map((one) => one.authorization),
      [undefined],
    );
  });

  it('does not follow redirects in circles', async () => {
    const registry = await villain((request, response) =>
      response.writeHead(307, { location: request.url ?? '/' }).end(),
    );
    await assert.rejects(bytesOf(clientOf(registry.host)), /redirected more than 5 times/);
  });

  it('does not follow a redirect from TLS to plain HTTP', async () => {
    const elsewhere = await villain((_request, response) => response.end(content));
    const registry = await villain(
      (_request, response) => response.writeHead(307, { location: `http://${elsewhere.host}/x` }).end(),
      true,
    );
    await assert.rejects(
      bytesOf(clientOf(registry.host, { authorities: () => [tls.cert] })),
      /points from https to plain http/,
    );
    assert.deepEqual(elsewhere.seen, []);
  });

  it('gives no credentials to a realm elsewhere when the registry was not verified, and says so', async () => {
    // Names that only the proxy knows: no request leaves this machine.
    const proxy = await villain((request, response) => {
      if (request.url?.startsWith('http://auth.test/') === true) return void response.end('{"token":"anonymous"}');
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://auth.test/token",service="s"' }).end();
    });
    const options = { trust: () => ({ plainHttp: true }), proxyEnv: { HTTP_PROXY: `http://${proxy.host}` } };
    const reading = getManifest(clientOf('registry.test', options), 'team/app', 'x', signal());
    await assert.rejects(
      reading,
      /credentials for registry\.test were not sent to its token service http:\/\/auth\.test/,
    );
    const asked = proxy.seen.filter((one) => one.url.startsWith('http://auth.test/'));
    assert.ok(asked.length > 0);
    assert.deepEqual([...new Set(asked.map((one) => one.authorization))], [undefined]);
    assert.ok(proxy.seen.every((one) => one.authorization === undefined || one.authorization === 'Bearer anonymous'));
  });

  it('verifies certificates, and trusts the authority it is given', async () => {
    const registry = await villain((_request, response) => response.end(content), true);
    const refused = await bytesOf(clientOf(registry.host)).then(String, (error: Error) => error.message);
    assert.match(refused, /its certificate is not trusted.*--ca-file/);
    assert.deepEqual(registry.seen, []);
    assert.equal((await bytesOf(clientOf(registry.host, { authorities: () => [tls.cert] }))).compare(content), 0);
    assert.equal((await bytesOf(clientOf(registry.host, { trust: () => ({ insecure: true }) }))).compare(content), 0);
  });

  it('ends listings that go round in circles, and takes no page from elsewhere', async () => {
    const elsewhere = await villain((_request, response) => response.end('{"tags":["stolen"]}'));
    const registry = await villain((request, response) => {
      const next =
        request.url?.includes('last') === true
          ? '/v2/team/app/tags/list?last=b'
          : `http://${elsewhere.host}/v2/team/app/tags/list?last=b`;
      response.writeHead(200, { link: `<${next}>; rel="next"` }).end('{"tags":["a"]}');
    });
    await assert.rejects(
      Array.fromAsync(listTags(clientOf(registry.host), 'team/app', signal())),
      /go round in a circle/,
    );
    assert.deepEqual(elsewhere.seen, []);
  });

  it('lets no terminal sequence through, and no secret', async () => {
    const registry = await villain((request, response) => {
      if (request.headers.authorization === undefined)
        return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      response
        .writeHead(403)
        .end(JSON.stringify({ errors: [{ code: 'DENIED', message: '\u001b]0;owned\u0007 no\nreally' }] }));
    });
    const said = await getManifest(clientOf(registry.host), 'team/app', 'x', signal()).then(
      String,
      (error: Error) => error.message,
    );
    assert.match(said, /you may not do that there; the server said DENIED: \]0;owned\s+no really/);
    assert.ok(!said.includes(password) && !said.includes('Basic'));
  });

  it('reads no endless manifest', async () => {
    const registry = await villain((request, response) => {
      if (request.url === '/v2/') return void response.end();
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x20)));
      };
      response.on('drain', more);
      more();
    });
    await assert.rejects(getManifest(clientOf(registry.host), 'team/app', 'x', signal()), /an answer of more than/);
  });
});
