import type { LookupFunction } from 'node:net';
import { cancelled } from '../errors.ts';
import { hostnameOf, isLoopback } from './address.ts';
import { dialled, tlsOptions } from './agents.ts';
import { askForLarge, type LargeAnswer } from './large-answer.ts';
import type { LineOptions } from './line.ts';
import type { Lines } from './lines.ts';
import type { HostTrust } from './wire.ts';

export interface LargeReadsOptions {
  readonly authorities?: (() => readonly string[]) | undefined;
  readonly proxyEnv?: Readonly<Record<string, string | undefined>> | undefined;
  readonly connectMs: number;
  readonly idleMs: number;
}

export interface LargeRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly trust: HostTrust;
  /** Tells hosts apart that are reached or trusted in different ways. */
  readonly key: string;
  readonly lent: boolean;
  readonly lookup?: LookupFunction;
  readonly signal: AbortSignal;
}

/**
 * Reads blobs past node:http, which takes 64 KiB at a time into memory that it allocates for each: half the time of a copy,
 * and most of its memory. What is not plain (a proxy, chunks, a long refusal) is left to node:http.
 */
export class LargeReads {
  readonly #options: LargeReadsOptions;
  readonly #lines: Lines;

  constructor(options: LargeReadsOptions, lines: Lines) {
    this.#options = options;
    this.#lines = lines;
  }

  /** Undefined where it has to be asked for in another way. @throws what the connection failed with; TransferError `Cancelled` */
  async get(request: LargeRequest): Promise<LargeAnswer | undefined> {
    if (this.#goesThroughProxy(request)) return undefined;
    for (;;) {
      const { line, used } = this.#lines.take(request.key, () => this.#lineOptions(request));
      const stop = () => line.destroy(cancelled(request.signal));
      const done = () => request.signal.removeEventListener('abort', stop);
      request.signal.addEventListener('abort', stop, { once: true });
      try {
        const answer = await askForLarge(line, {
          path: request.url.pathname + request.url.search,
          headers: request.headers,
          lent: request.lent,
          onEnd: (state) => {
            done();
            if (state === 'idle') this.#lines.give(request.key, line);
          },
        });
        if (answer === undefined) done();
        return answer;
      } catch (error) {
        done();
        line.destroy();
        // A line that waited may have been closed meanwhile.
        if (!used || request.signal.aborted) throw error;
      }
    }
  }

  #goesThroughProxy({ url, trust }: LargeRequest): boolean {
    if (trust.address !== undefined) return false;
    if (trust.proxy !== undefined) return true;
    const { proxyEnv = {} } = this.#options;
    return !isLoopback(url.host) && Object.keys(proxyEnv).some((name) => /^https?_proxy$/i.test(name));
  }

  #lineOptions({ url, trust, lookup }: LargeRequest): LineOptions {
    const { connectMs, idleMs, authorities } = this.#options;
    const tls = url.protocol === 'https:' ? { ...tlsOptions({ trust, authorities }), ...nameOf(url) } : undefined;
    const place = dialled(url, trust.address);
    return { ...place, tls, connectMs, idleMs, ...(lookup === undefined ? {} : { lookup }) };
  }
}

/** Addresses have no name that could be indicated. */
function nameOf(url: URL): { servername?: string; ALPNProtocols: string[] } {
  const name = hostnameOf(url.host);
  const isAddress = /^[\d.]+$|:/.test(name);
  return { ALPNProtocols: ['http/1.1'], ...(isAddress ? {} : { servername: name }) };
}
