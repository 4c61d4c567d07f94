import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { KubeError, Silence } from './error.ts';
import { errorFromAnswer, noAnswer } from './status.ts';

export interface TransportOptions {
  /** For example `ne-registry-operator/0.1.0`. */
  userAgent: string;
  /** Called once per answer; `code` is `<error>` when there was none. */
  observe?: (request: { code: string; method: string; host: string }) => void;
  /** Milliseconds for one request, from its start to the last byte of its answer; default 30 s. Watches have none. */
  timeoutMs?: number;
  /** How often to try again when the server says 429 or 503 with Retry-After; default 5. */
  retries?: number;
  /** After how many milliseconds a 401 makes it read the configuration anew once more; default 10 s. */
  reloadEveryMs?: number;
  /** Largest answer, in bytes; default 16 MiB. */
  maxBytes?: number;
}

export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Default `application/json`. */
  contentType?: string;
  signal?: AbortSignal | undefined;
}

interface Answer {
  message: IncomingMessage;
  /** Ends the request and frees its socket, whatever state it is in. */
  cut: (reason: Error) => void;
}

const MAX_BYTES = 16 * 1024 * 1024;
const LONGEST_WAIT_SECONDS = 30;

/** JSON over TLS to the API server: keep-alive, timeouts, bounded answers, Retry-After. */
export class Transport {
  readonly #connection: Connection;
  readonly #options: TransportOptions;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 8 });

  constructor(connection: Connection, options: TransportOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Sends a request and gives the JSON of its answer; throws KubeError for anything but 2xx. */
  async send<T>(call: Call): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once<T>(call);
      } catch (error) {
        const wait = this.#waitBefore(error, call, attempt);
        if (wait === undefined) throw error;
        await sleep(wait, undefined, { signal: call.signal });
      }
    }
  }

  /**
   * Opens a GET whose answer has no end, and gives its chunks; `idleMs` without a byte is an error.
   * @param opened called when the server has begun to answer
   */
  async *stream(
    path: string,
    idleMs: number,
    signal: AbortSignal | undefined,
    opened?: () => void,
  ): AsyncGenerator<Buffer> {
    const call: Call = { method: 'GET', path, signal };
    const tooSlow = AbortSignal.timeout(this.#timeoutMs());
    const { message, cut } = await this.#open(
      call,
      signal === undefined ? tooSlow : AbortSignal.any([signal, tooSlow]),
    );
    let why: Error | undefined;
    const cutBecause = (reason: Error): void => {
      why = reason;
      cut(why);
    };
    message.setTimeout(idleMs, () => cutBecause(new Silence(`nothing heard for ${idleMs / 1000} s`)));
    const aborted = (): void => cutBecause(new Error('stopped'));
    signal?.addEventListener('abort', aborted, { once: true });
    // It may have come while the answer did, and then there is no event any more.
    if (signal?.aborted) aborted();
    try {
      if (isFailure(message)) throw errorFromAnswer(message, await this.#read(message, cut), call);
      opened?.();
      yield* message as AsyncIterable<Buffer>;
    } catch (error) {
      throw error instanceof KubeError ? error : noAnswer(why ?? error, call);
    } finally {
      signal?.removeEventListener('abort', aborted);
      message.destroy();
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  async #once<T>(call: Call): Promise<T> {
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(new Error(`no answer within ${this.#timeoutMs() / 1000} s`)),
      this.#timeoutMs(),
    );
    const aborted = (): void => deadline.abort(new Error('stopped'));
    call.signal?.addEventListener('abort', aborted, { once: true });
    try {
      const { message, cut } = await this.#open(call, deadline.signal);
      const cutNow = (): void => cut(deadline.signal.reason as Error);
      deadline.signal.addEventListener('abort', cutNow, { once: true });
      if (deadline.signal.aborted) cutNow();
      const body = await this.#read(message, cut);
      if (isFailure(message)) throw errorFromAnswer(message, body, call);
      return JSON.parse(body) as T;
    } catch (error) {
      if (error instanceof KubeError) throw error;
      // Cutting a request shows as `aborted`; why it was cut says more.
      throw noAnswer(deadline.signal.aborted ? deadline.signal.reason : error, call);
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', aborted);
    }
  }

  /** Sends the request and settles when the answer's head is in. `opening` bounds that time only. */
  async #open(call: Call, opening: AbortSignal): Promise<Answer> {
    const server = this.#connection.server();
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const options = await this.#requestOptions(server, call, body);
    call.signal?.throwIfAborted();
    return await new Promise<Answer>((resolve, reject) => {
      const request = httpsRequest(options);
      const cut = (reason: Error): void => void request.destroy(reason);
      const aborted = (): void => cut(asError(opening.reason));
      opening.addEventListener('abort', aborted, { once: true });
      let answered = false;
      request.on('response', (message) => {
        answered = true;
        opening.removeEventListener('abort', aborted);
        this.#observe(call, server, String(message.statusCode));
        resolve({ message, cut });
      });
      request.on('error', (error) => {
        opening.removeEventListener('abort', aborted);
        if (answered) return; // Whoever reads the body hears of it there.
        this.#observe(call, server, '<error>');
        reject(noAnswer(error, call, request.reusedSocket));
      });
      request.end(body);
    });
  }

  async #requestOptions(server: URL, call: Call, body: string | undefined): Promise<RequestOptions> {
    const access = await this.#connection.requestOptions();
    const prefix = server.pathname.replace(/\/$/, '');
    return {
      agent: this.#agent,
      ...access,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || 443,
      method: call.method,
      path: `${prefix}${call.path}`,
      headers: {
        ...access.headers,
        accept: 'application/json',
        'user-agent': this.#options.userAgent,
        ...(body === undefined
          ? {}
          : { 'content-type': call.contentType ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    };
  }

  async #read(message: IncomingMessage, cut: Answer['cut']): Promise<string> {
    const limit = this.#options.maxBytes ?? MAX_BYTES;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of message as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) {
        cut(new Error('answer too large'));
        throw new KubeError({
          status: message.statusCode ?? 0,
          reason: 'ResponseTooLarge',
          message: `the API server's answer is larger than ${limit} bytes`,
        });
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  }

  /** Milliseconds to wait before trying again, or undefined when the error is final. */
  #waitBefore(error: unknown, call: Call, attempt: number): number | undefined {
    if (!(error instanceof KubeError) || call.signal?.aborted || attempt >= (this.#options.retries ?? 5))
      return undefined;
    if (error.status === 401 && attempt === 0)
      return this.#connection.reload(this.#options.reloadEveryMs ?? 10_000) ? 0 : undefined;
    // The server closed a kept connection just as we used it: nothing was done, and none but POST could do harm twice.
    if (error.reason === 'StaleConnection') return call.method === 'POST' ? undefined : 0;
    if (error.status !== 429 && error.status !== 503) return undefined;
    if (error.retryAfterSeconds === undefined) return undefined;
    return Math.min(error.retryAfterSeconds, LONGEST_WAIT_SECONDS) * 1000;
  }

  #timeoutMs(): number {
    return this.#options.timeoutMs ?? 30_000;
  }

  #observe(call: Call, server: URL, code: string): void {
    this.#options.observe?.({ code, method: call.method, host: server.host });
  }
}

function isFailure(message: IncomingMessage): boolean {
  return (message.statusCode ?? 0) < 200 || (message.statusCode ?? 0) > 299;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
