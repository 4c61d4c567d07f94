import 'reflect-metadata';
/** A token service as Docker's token specification has it, for registries that trust one. */
import { randomUUID, webcrypto } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { X509CertificateGenerator } from '@peculiar/x509';
import { SignJWT } from 'jose';

export interface TokenServer {
  readonly realm: string;
  readonly issuer: string;
  readonly service: string;
  /** PEM of the certificate whose key signs. */
  readonly certificate: string;
  /** Query strings of the tokens that were given out. */
  readonly given: readonly string[];
  close: () => Promise<void>;
}

export interface TokenServerOptions {
  readonly login: { readonly username: string; readonly password: string };
  /** How long a token is good for. */
  readonly seconds: number;
}

/** Starts a service that gives its one user whatever scope he asks for. */
export async function startTokenServer({ login, seconds }: TokenServerOptions): Promise<TokenServer> {
  const names = { issuer: 'token-server', service: 'registry' };
  const signer = await makeSigner();
  const expected = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
  const given: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://token');
    if (request.headers.authorization !== expected) {
      response.writeHead(401).end();
      return;
    }
    given.push(url.search);
    const now = Math.floor(Date.now() / 1000);
    const token = await new SignJWT({ access: url.searchParams.getAll('scope').map(accessOf), jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c: [signer.der] })
      .setIssuer(names.issuer)
      .setAudience(names.service)
      .setSubject(login.username)
      .setIssuedAt(now)
      .setNotBefore(now - 10)
      .setExpirationTime(now + seconds)
      .sign(signer.key);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ token, expires_in: seconds }));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...names,
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    certificate: signer.pem,
    given,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function accessOf(scope: string): { type: string; name: string; actions: string[] } {
  const [type = '', ...rest] = scope.split(':');
  const actions = rest.pop()?.split(',') ?? [];
  return { type, name: rest.join(':'), actions };
}

async function makeSigner(): Promise<{ key: webcrypto.CryptoKey; pem: string; der: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=tokens',
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
  });
  return { key: keys.privateKey, pem: certificate.toString('pem'), der: certificate.toString('base64') };
}
