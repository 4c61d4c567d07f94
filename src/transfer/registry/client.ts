import { type Advice, commandLineAdvice } from '../advice.ts';
import { isTransferError, TransferError } from '../errors.ts';
import { hostnameOf, isLoopback } from '../http/address.ts';
import { parseChallenges } from '../http/challenge.ts';
import { defaultRetry, type RetryPolicy, retrying } from '../http/retry.ts';
import { type Answer, type AnyAnswer, discard, type HostTrust, isStream, readBody, Wire } from '../http/wire.ts';
import { answerFault, printable } from './answer-fault.ts';
import { Authenticator } from './authenticator.ts';
import type { CredentialSource } from './credentials.ts';
import { Hosts } from './hosts.ts';
import type { Slots } from './slots.ts';

export interface RegistryOptions {
  readonly credentials: CredentialSource;
  /** How each host is trusted; by default over verified TLS. */
  readonly trust?: (host: string) => HostTrust;
  readonly authorities?: () => readonly string[];
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read from; no proxy without it. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
  readonly userAgent?: string;
  /** Connections and limits that clients share; one of its own, closed with it, unless given. */
  readonly hosts?: Hosts;
  /** Plain HTTP only where `trust` asks for it. Without it, this machine may also be spoken to without TLS. */
  readonly strict?: boolean;
  /** What a person is told to do; for ne-cli unless given. */
  readonly advice?: Advice;
  readonly retry?: RetryPolicy;
  /** Upload in chunks of so many bytes instead of one stream, for proxies that limit a body. */
  readonly chunkBytes?: number;
  readonly connectMs?: number;
  readonly idleMs?: number;
}

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** A path on the registry, or a whole URL that the registry named. */
  readonly path: string | URL;
  /** Token scopes, e.g. `repository:team/app:pull`. */
  readonly scopes: readonly string[];
  /** The action in words, for errors: `read the manifest team/app:1.0`. */
  readonly what: string;
  /** The statuses that are no failure. */
  readonly accept: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent once and never retried here: who has the stream resumes it. */
  readonly body?: AsyncIterable<Buffer> | Buffer;
  /** Not tried again here: who asks counts the attempts. */
  readonly once?: boolean;
  /** Whom it knows it may tell more: where it says so (RFC 9110 §11.6.1), the request is sent again with the credentials there are. */
  readonly signsIn?: boolean;
  readonly signal: AbortSignal;
}

type AnyRequest = RegistryRequest & { readonly large?: 'lent' | 'owned' };

interface Reached {
  readonly base: URL;
  readonly verified: boolean;
}

const maxRedirects = 5;
/** The hosts that answer for a name that is not theirs. */
const aliases: Readonly<Record<string, string>> = {
  'docker.io': 'registry-1.docker.io',
  'index.docker.io': 'registry-1.docker.io',
};

/** One registry, spoken to over HTTP: where it is, who we are there, redirects and repetition. Close it after use. */
export class RegistryClient {
  readonly host: string;
  readonly options: RegistryOptions;
  readonly retry: RetryPolicy;
  /** Limits on blobs in flight. Who needs both takes the reading slot first. */
  readonly reading: Slots;
  readonly writing: Slots;
  readonly hosts: Hosts;
  readonly #wire: Wire;
  readonly #advice: Advice;
  readonly #authenticator: Authenticator;
  #reached: Promise<Reached> | undefined;

  constructor(host: string, options: RegistryOptions) {
    this.host = host;
    this.options = options;
    this.retry = options.retry ?? defaultRetry;
    this.hosts = options.hosts ?? new Hosts();
    this.reading = this.hosts.reading(host);
    this.writing = this.hosts.writing(host);
    const advice = options.advice ?? commandLineAdvice;
    this.#advice = { ...advice, login: () => advice.login(host) };
    const userAgent = options.userAgent ?? 'ne-registry';
    this.#wire = new Wire({
      trust: (name) => this.#trust(name),
      userAgent,
      hosts: this.hosts,
      advice: this.#advice,
      connectMs: options.connectMs ?? 15_000,
      idleMs: options.idleMs ?? 120_000,
      ...(options.authorities === undefined ? {} : { authorities: options.authorities }),
      ...(options.proxyEnv === undefined ? {} : { proxyEnv: options.proxyEnv }),
    });
    this.#authenticator = new Authenticator({
      wire: this.#wire,
      host,
      credentials: options.credentials,
      clientId: userAgent,
      advice: this.#advice,
    });
  }

  /** Closes the connections, unless others share them. */
  close(): void {
    if (this.options.hosts === undefined) this.hosts.close();
  }

  /** The origin of the registry; reaches it first where that was not done yet. */
  async base(signal: AbortSignal): Promise<URL> {
    return (await this.#reach(signal)).base;
  }

  /**
   * Sends a request with the right credentials, follows the redirects of reads (shedding the credentials on another
   * origin) and tries again after a passing failure. @throws TransferError for every status that is not accepted
   */
  async request(request: RegistryRequest): Promise<Answer> {
    return (await this.#ask(request)) as Answer;
  }

  /** The same for a blob: see WireRequest on what may be done with its bytes. */
  async requestLarge(request: RegistryRequest, large: 'lent' | 'owned'): Promise<AnyAnswer> {
    return await this.#ask({ ...request, large });
  }

  async #ask(request: AnyRequest): Promise<AnyAnswer> {
    if (request.once === true || isStream(request.body)) return await this.#attempt(request);
    return await retrying(this.retry, request.signal, () => this.#attempt(request));
  }

  /** The same for an answer that is read whole: one that is cut is asked for again. @param limit bytes */
  async read(request: RegistryRequest, limit: number): Promise<AnyAnswer & { readonly bytes: Buffer }> {
    return await retrying(this.retry, request.signal, async () => {
      const answer = await this.#attempt(request);
      return { ...answer, bytes: await readBody(answer, limit) };
    });
  }

  /**
   * The absolute URL of a `Location` that the registry gave. One that only lost TLS or its port behind a proxy is put right;
   * another host keeps its URL, and gets no credentials.
   */
  async locate(location: string, signal: AbortSignal): Promise<URL> {
    const { base } = await this.#reach(signal);
    const url = URL.parse(location, base);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw new TransferError(
        'Invalid',
        `${this.host}: sent an unusable Location ${JSON.stringify(printable(location))}`,
      );
    }
    if (url.protocol === 'http:' && base.protocol === 'https:') {
      if (hostnameOf(url.host) !== hostnameOf(base.host)) throw downgrade(base, url);
      return new URL(url.pathname + url.search, base);
    }
    return url;
  }

  async #attempt(request: AnyRequest): Promise<AnyAnswer> {
    const reached = await this.#reach(request.signal);
    const url = new URL(request.path, reached.base);
    let answer = await this.#send(request, url, reached);
    if (url.origin === reached.base.origin && (answer.status === 401 || (await this.#tellsMore(answer, request)))) {
      this.#relearn(answer, request, reached);
      if (isStream(request.body)) throw await this.#refusedMidway(answer, request);
      discard(answer);
      answer = await this.#send(request, url, reached);
    }
    answer = await this.#followRedirects(request, answer, reached);
    if (request.accept.includes(answer.status)) return answer;
    throw this.#explained(await answerFault(answer, request.what, this.#advice));
  }

  /** What is said of the registry by the name that the user knows also counts for the name it is asked by; its proxy for all that it leads to. */
  #trust(name: string): HostTrust {
    const find = this.options.trust ?? ((): HostTrust => ({}));
    if (name === this.host || name === URL.parse(`https://${this.#name}`)?.host) return find(this.host);
    const { proxy } = find(this.host);
    return proxy === undefined ? find(name) : { proxy, ...find(name) };
  }

  get #name(): string {
    return aliases[this.host] ?? this.host;
  }

  #explained(fault: TransferError): TransferError {
    const from = this.#authenticator.withheldFrom;
    if (fault.fault !== 'Unauthorized' || from === undefined) return fault;
    const why = `your credentials for ${this.host} were not sent to its token service ${printable(from)}, because ${this.host} was not reached over verified TLS`;
    return new TransferError('Unauthorized', `${fault.message}; ${why}`, {
      status: 401,
      codes: fault.codes,
      cause: fault,
    });
  }

  async #send(request: AnyRequest, url: URL, { base }: Reached): Promise<AnyAnswer> {
    const ours = url.origin === base.origin;
    const authorization = ours ? await this.#authenticator.authorization(request.scopes, request.signal) : undefined;
    return await this.#wire.exchange({
      method: request.method,
      url,
      headers: { ...request.headers, ...(authorization === undefined ? {} : { authorization }), ...lengthOf(request) },
      signal: request.signal,
      outwardOnly: hostnameOf(url.host) !== hostnameOf(base.host) && !isLoopback(base.host),
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.large === undefined ? {} : { large: request.large }),
    });
  }

  /** Whether an answer for anybody is another one for whom the registry knows, and there is somebody to be. */
  async #tellsMore(answer: AnyAnswer, { signsIn = false, accept, scopes }: AnyRequest): Promise<boolean> {
    if (!signsIn || !accept.includes(answer.status) || challengesOf(answer).length === 0) return false;
    return await this.#authenticator.canSignIn(scopes);
  }

  #relearn(answer: AnyAnswer, request: RegistryRequest, { base, verified }: Reached): void {
    this.#authenticator.learn(challengesOf(answer), base, verified);
    this.#authenticator.forget(request.scopes);
  }

  /** A token that ended while a body was on its way is a passing failure: the next request brings a new one. */
  async #refusedMidway(answer: AnyAnswer, request: RegistryRequest): Promise<TransferError> {
    const fault = await answerFault(answer, request.what, this.#advice);
    return new TransferError('Interrupted', fault.message, { status: 401, codes: fault.codes, cause: fault });
  }

  async #followRedirects(request: AnyRequest, first: AnyAnswer, reached: Reached): Promise<AnyAnswer> {
    let answer = first;
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer;
    for (let hops = 0; [301, 302, 303, 307, 308].includes(answer.status); hops++) {
      if (hops === maxRedirects)
        throw new TransferError(
          'Invalid',
          `${this.host}: redirected more than ${maxRedirects} times to ${request.what}`,
        );
      const next = URL.parse(answer.headers.location ?? '', answer.url);
      discard(answer);
      if (next === null || !/^https?:$/.test(next.protocol))
        throw new TransferError('Invalid', `${this.host}: redirected to no usable address to ${request.what}`);
      const trust = this.#wire.trust(next.host);
      if (answer.url.protocol === 'https:' && next.protocol === 'http:' && !trust.plainHttp && !trust.insecure)
        throw downgrade(answer.url, next);
      answer = await this.#send(request, next, reached);
    }
    return answer;
  }

  #reach(signal: AbortSignal): Promise<Reached> {
    if (this.#reached === undefined) {
      const reaching = retrying({ ...this.retry, connectAttempts: Math.min(2, this.retry.attempts) }, signal, () =>
        this.#ping(signal),
      );
      this.#reached = reaching;
      reaching.catch(() => {
        if (this.#reached === reaching) this.#reached = undefined;
      });
    }
    return this.#reached;
  }

  async #ping(signal: AbortSignal): Promise<Reached> {
    const trust = this.#wire.trust(this.host);
    const name = this.#name;
    if (trust.plainHttp === true) return await this.#greet(new URL(`http://${name}`), false, signal);
    const https = new URL(`https://${name}`);
    try {
      return await this.#greet(https, trust.insecure !== true, signal);
    } catch (error) {
      const mayBePlain = trust.insecure === true || (this.options.strict !== true && isLoopback(name));
      if (!mayBePlain || !looksPlain(error)) throw error;
      return await this.#greet(new URL(`http://${name}`), false, signal).catch((second) => {
        const answered = isTransferError(second) && second.status !== undefined;
        throw answered || isTransferError(second, 'Cancelled') ? second : error;
      });
    }
  }

  async #greet(base: URL, verified: boolean, signal: AbortSignal): Promise<Reached> {
    const answer = await this.#wire.exchange({ method: 'GET', url: new URL('/v2/', base), signal });
    if (answer.status === 429 || answer.status >= 500)
      throw await answerFault(answer, 'reach the registry', this.#advice);
    discard(answer);
    this.#authenticator.learn(answer.status === 401 ? challengesOf(answer) : [], base, verified);
    return { base, verified };
  }
}

function challengesOf(answer: AnyAnswer) {
  return parseChallenges(answer.headers['www-authenticate'] ?? '');
}

/** node:http sends chunked where no length is set; registries behind proxies want a length, also of nothing. */
function lengthOf(request: RegistryRequest): Record<string, string> {
  if (Buffer.isBuffer(request.body)) return { 'content-length': String(request.body.length) };
  const bodiless = request.body === undefined && ['POST', 'PUT', 'PATCH'].includes(request.method);
  return bodiless ? { 'content-length': '0' } : {};
}

/** Whether the failure of https is what a server that speaks plain HTTP, or only listens for it, looks like. */
function looksPlain(error: unknown): boolean {
  if (isTransferError(error, 'Interrupted')) return true;
  const code = isTransferError(error) ? (error.cause as { code?: unknown } | undefined)?.code : undefined;
  return isTransferError(error, 'Untrusted') ? /^(EPROTO|ERR_SSL_)/.test(String(code)) : code === 'ECONNREFUSED';
}

function downgrade(from: URL, to: URL): TransferError {
  return new TransferError(
    'Refused',
    `${from.host}: points from https to plain http (${printable(to.origin)}); that is not followed`,
  );
}
