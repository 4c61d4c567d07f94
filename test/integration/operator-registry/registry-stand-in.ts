/**
 * The admin API of a registry as far as rules go, at an address of its own: what a rule is told to come to is the test's to
 * say, as no real one could be brought to say it. It checks the operator's token as a registry does.
 */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { ports } from '../../../src/operator/registry/paths.ts';
import { verifyOperatorToken } from '../../../src/registry/auth/operator-token.ts';
import { readVerificationKey } from '../../../src/registry/auth/signing-key.ts';

export interface Given {
  readonly uid: string;
  readonly generation: number;
  readonly spec: unknown;
  readonly connections?: unknown[];
}

export interface StandIn extends AsyncDisposable {
  readonly address: string;
  /** PKCS#8 PEM: the operator's key for it. */
  readonly key: string;
  /** By name of the rule. */
  readonly rules: Map<string, Given>;
  /** What is told of a rule. */
  state: (given: Given) => object;
  /** Problems with which every PUT is refused. */
  refusal: readonly string[] | undefined;
  /** `METHOD /path`, in order. */
  readonly asked: string[];
  /** Stops answering, or goes on. */
  silence(on: boolean): Promise<void>;
}

export async function standIn(address: string, audience: string): Promise<StandIn> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const trust = {
    keys: [readVerificationKey(publicKey.export({ type: 'spki', format: 'pem' }), 'the stand-in')],
    audience,
  };
  const stand: Omit<StandIn, keyof AsyncDisposable | 'silence'> = {
    address,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    rules: new Map(),
    state: ({ generation }) => ({ generation }),
    refusal: undefined,
    asked: [],
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const bearer = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    const signer = await verifyOperatorToken(bearer, trust, Date.now());
    const { status, body } = signer === undefined ? { status: 401, body: {} } : await answerFor(stand, request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  let server = createServer((request, response) => void answer(request, response));
  const listen = async () => await once(server.listen(ports.api, address), 'listening');
  const close = async () => {
    server.closeAllConnections();
    if (server.listening) await once(server.close(), 'close');
  };
  await listen();
  return Object.assign(stand, {
    silence: async (on: boolean) => {
      await close();
      if (on) return;
      server = createServer((request, response) => void answer(request, response));
      await listen();
    },
    [Symbol.asyncDispose]: close,
  });
}

async function answerFor(
  stand: Omit<StandIn, keyof AsyncDisposable | 'silence'>,
  request: IncomingMessage,
): Promise<{ status: number; body: object }> {
  const { method = '', url = '' } = request;
  stand.asked.push(`${method} ${url}`);
  const [, name = '', run] = /^\/admin\/v1\/rules\/replication\/([^/]+)(\/run)?$/.exec(url) ?? [];
  if (method === 'PUT') {
    const given = (await json(request)) as Given;
    if (stand.refusal !== undefined)
      return { status: 400, body: { errors: [{ detail: { problems: stand.refusal } }] } };
    stand.rules.set(name, given);
    return { status: 200, body: { generation: given.generation, running: true } };
  }
  const rule = stand.rules.get(name);
  if (rule === undefined) return { status: 404, body: { errors: [] } };
  if (run !== undefined) return { status: 202, body: { name } };
  const { uid, generation, spec } = rule;
  return { status: 200, body: { name, uid, generation, spec, state: stand.state(rule) } };
}
