import { type LookupAddress, type LookupOptions, lookup as resolveName } from 'node:dns';
import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import type { Advice } from '../advice.ts';
import { cancelled, TransferError } from '../errors.ts';
import { hostnameOf, isInward } from './address.ts';
import { type AgentOptions, agentKey, makeAgent } from './agents.ts';
import { connectionFault } from './connection-fault.ts';
import type { LargeBody } from './large-answer.ts';
import { LargeReads } from './large-reads.ts';
import type { Lines } from './lines.ts';

/** How one host (`name[:port]`) is reached and trusted. */
export interface HostTrust {
  /** Speak HTTP without TLS, and nothing else. */
  readonly plainHttp?: boolean;
  /** Accept any certificate; where the host speaks no TLS, plain HTTP. */
  readonly insecure?: boolean;
  /** PEM certificates of authorities to trust for this host, besides the usual ones. */
  readonly ca?: readonly string[];
  /** Client certificate and key, PEM. */
  readonly cert?: string;
  readonly key?: string;
  /** URL of the HTTP proxy that leads there (CONNECT for TLS); it goes before the environment's. */
  readonly proxy?: string;
  /** `host[:port]` to connect to instead of what the name resolves to. Name, certificate and Host header stay; no proxy is used. */
  readonly address?: string;
}

/** Where connections are kept: see Hosts, which several clients share. */
export interface Connections {
  /** The most sockets to one host. */
  readonly sockets: number;
  agent(key: string, make: () => Agent): Agent;
  numberOf(object: object): number;
  /** Connections that large bodies are read from. */
  readonly lines: Lines;
}

export interface WireOptions {
  readonly trust: (host: string) => HostTrust;
  /** PEM certificates trusted for every host. */
  readonly authorities?: () => readonly string[];
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in either case; loopback hosts never go through a proxy. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
  readonly userAgent: string;
  readonly hosts: Connections;
  readonly advice: Advice;
  readonly connectMs: number;
  /** Longest silence on a connection before it counts as cut. */
  readonly idleMs: number;
}

export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent; an iterable's bytes are not touched any more once the next are asked for. */
  readonly body?: AsyncIterable<Buffer> | Buffer;
  /** A large answer is expected. `lent`: its bytes are good until the next are asked for only. */
  readonly large?: 'lent' | 'owned';
  readonly signal: AbortSignal;
  /** Refuse to connect to this machine and to link-local addresses: the URL came from another server. */
  readonly outwardOnly?: boolean;
}

/** An answer, the body of which may be a large one's. */
export interface AnyAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable | LargeBody;
  readonly url: URL;
}

export interface Answer extends AnyAnswer {
  readonly body: Readable;
}

/** What of an answer is kept when it comes before the request's body was sent. */
const earlyAnswerBytes = 65_536;

/**
 * One HTTP exchange at a time over pooled connections: no redirects, no authentication, no retries. node:http rather
 * than fetch: a request body there is a plain writable with real back-pressure, agents are per host with their own
 * certificates and proxies, and nothing is followed or decompressed behind our back.
 */
export class Wire {
  readonly #options: WireOptions;
  readonly #large: LargeReads;
  /** By origin: whom to trust there is asked once, because the answer may be in files. */
  readonly #places = new Map<string, AgentOptions & { readonly key: string }>();

  constructor(options: WireOptions) {
    this.#options = options;
    this.#large = new LargeReads(options, options.hosts.lines);
  }

  trust(host: string): HostTrust {
    return this.#options.trust(host);
  }

  /** Sends a request and answers once the head of the response is there. @throws TransferError */
  async exchange(request: WireRequest): Promise<AnyAnswer> {
    if (request.signal.aborted) throw cancelled(request.signal);
    if (request.outwardOnly === true && isInward(hostnameOf(request.url.host))) throw inwardRefused(request.url);
    return (request.large && (await this.#readLarge(request, request.large))) ?? (await this.#converse(request));
  }

  async #readLarge(request: WireRequest, large: 'lent' | 'owned'): Promise<AnyAnswer | undefined> {
    const { url, signal, outwardOnly, headers } = request;
    const { key, trust } = this.#agentOptions(url);
    try {
      const answer = await this.#large.get({
        url,
        headers: { host: url.host, 'user-agent': this.#options.userAgent, ...headers },
        trust,
        key,
        lent: large === 'lent',
        signal,
        ...(outwardOnly === true ? { lookup: outwardLookup(url) } : {}),
      });
      return answer && { ...answer, url };
    } catch (error) {
      throw connectionFault(error, url, this.#options.advice);
    }
  }

  async #converse(request: WireRequest): Promise<Answer> {
    return await new Promise<Answer>((resolve, reject) => {
      const outgoing = this.#start(request);
      const stop = () => outgoing.destroy(cancelled(request.signal));
      request.signal.addEventListener('abort', stop, { once: true });
      outgoing.once('close', () => request.signal.removeEventListener('abort', stop));
      outgoing.on('error', (error) => reject(connectionFault(error, request.url, this.#options.advice)));
      outgoing.once('response', (incoming) => {
        const early = isStream(request.body) && !outgoing.writableEnded && (incoming.statusCode ?? 0) >= 300;
        if (!early) return resolve(answerOf(incoming, incoming, request.url));
        takeEarlyAnswer(incoming).then((bytes) => {
          resolve(answerOf(incoming, Readable.from([bytes]), request.url));
          outgoing.destroy();
        }, reject);
      });
      sendBody(outgoing, request.body).catch((error: Error) => outgoing.destroy(error));
    });
  }

  #start(request: WireRequest): ClientRequest {
    const secure = request.url.protocol === 'https:';
    const outgoing = (secure ? httpsRequest : httpRequest)(request.url, {
      method: request.method,
      headers: { 'user-agent': this.#options.userAgent, ...request.headers },
      agent: this.#agent(request.url),
      ...(request.outwardOnly === true ? { lookup: outwardLookup(request.url) } : {}),
    });
    outgoing.setNoDelay(true);
    this.#watchTime(outgoing, request.url);
    return outgoing;
  }

  #watchTime(outgoing: ClientRequest, url: URL): void {
    const { connectMs, idleMs } = this.#options;
    outgoing.once('socket', (socket) => {
      if (socket.connecting) {
        const timer = setTimeout(() => {
          outgoing.destroy(
            new TransferError(
              'Unreachable',
              `${url.host}: no connection within ${connectMs / 1000} s; check the address, the port and any firewall or proxy`,
            ),
          );
        }, connectMs);
        const clear = () => clearTimeout(timer);
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', clear);
        socket.once('close', clear);
      }
    });
    outgoing.setTimeout(idleMs, () => {
      outgoing.destroy(new TransferError('Interrupted', `${url.host}: silent for ${idleMs / 1000} s`));
    });
  }

  #agent(url: URL): Agent {
    const options = this.#agentOptions(url);
    return this.#options.hosts.agent(options.key, () => makeAgent(options));
  }

  #agentOptions(url: URL): AgentOptions & { readonly key: string } {
    const origin = `${url.protocol}//${url.host}`;
    const known = this.#places.get(origin);
    if (known !== undefined) return known;
    const { authorities, proxyEnv, hosts } = this.#options;
    const trust = this.#options.trust(url.host);
    const options = { url, trust, authorities, proxyEnv, maxSockets: hosts.sockets };
    const place = { ...options, key: agentKey(options, (object) => hosts.numberOf(object)) };
    this.#places.set(origin, place);
    return place;
  }
}

/** Reads a whole body of at most `limit` bytes. @throws TransferError `Invalid` past it, `Interrupted` on a cut */
export async function readBody(answer: AnyAnswer, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw new TransferError('Invalid', `${answer.url.host}: an answer of more than ${limit} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw connectionFault(error, answer.url);
  }
  return Buffer.concat(chunks, size);
}

/** Lets go of a body that nobody needs, so that its connection can serve again. */
export function discard({ body }: AnyAnswer): void {
  if (body instanceof Readable) body.on('error', () => {}).resume();
  else body.destroy();
}

function answerOf(incoming: IncomingMessage, body: Readable, url: URL): Answer {
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body, url };
}

/** Whether a body can be sent only once. */
export function isStream(body: WireRequest['body']): body is AsyncIterable<Buffer> {
  return body !== undefined && !Buffer.isBuffer(body);
}

/** Sends chunk by chunk, each when the one before has left us: no more than one is ever held. @throws what the body failed with */
async function sendBody(outgoing: ClientRequest, body: WireRequest['body']): Promise<void> {
  if (!isStream(body)) {
    outgoing.end(body);
    return;
  }
  for await (const chunk of body) {
    await written(outgoing, chunk);
    // Cut, or answered before it was asked; that is reported by the request's own events.
    if (outgoing.destroyed) return;
  }
  outgoing.end();
}

async function written(outgoing: ClientRequest, chunk: Buffer): Promise<void> {
  if (outgoing.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      outgoing.off('close', done);
      resolve();
    };
    outgoing.once('close', done);
    outgoing.write(chunk, done);
  });
}

async function takeEarlyAnswer(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const patience = setTimeout(() => incoming.destroy(), 2000);
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > earlyAnswerBytes) break;
    }
  } catch {
    // The server hung up on the body it did not want; the head is what counts.
  } finally {
    clearTimeout(patience);
  }
  return Buffer.concat(chunks);
}

function outwardLookup(url: URL): LookupFunction {
  return (hostname, options, callback) => {
    resolveName(hostname, options as LookupOptions, (error, address, family) => {
      if (error !== null) return callback(error, address as string, family);
      const addresses = Array.isArray(address)
        ? (address as LookupAddress[]).map((entry) => entry.address)
        : [address as string];
      // A proxy may well be on this machine; it is the user's choice and not the server's.
      const named = hostname.toLowerCase() === hostnameOf(url.host);
      if (named && addresses.some(isInward)) return callback(inwardRefused(url), '', 0);
      callback(null, address as string, family);
    });
  };
}

function inwardRefused(url: URL): TransferError {
  return new TransferError(
    'Refused',
    `refused to follow another server's direction to ${url.host}: it is an address of this machine or link-local`,
  );
}
