import type { Digest } from '../../domain/oci/digest.ts';
import { cancelled } from '../errors.ts';

/** Where a blob goes: a repository of a host; for files the place has no host. */
export interface BlobPlace {
  readonly host: string;
  readonly repository: string;
}

export interface BlobLedgerOptions {
  /** How long an arrival is taken for granted, in milliseconds: shorter than any registry takes to reclaim a blob without a manifest. */
  readonly rememberMs?: number;
  readonly maxRemembered?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** What a turn at a blob is told. */
export interface BlobTurn {
  /** A repository of the same host where the blob arrived a moment ago: it can be mounted from there. */
  readonly mountFrom?: string;
}

/**
 * Blobs on their way, of all copies that share the ledger: one transfer for each digest and target, whatever rule it is
 * for. What goes to several repositories of one host is sent to one of them, and mounted into the others.
 */
export class BlobLedger {
  readonly #rememberMs: number;
  readonly #maxRemembered: number;
  readonly #now: () => number;
  /** By host and digest: the repositories that are being written to. */
  readonly #flights = new Map<string, Map<string, Promise<void>>>();
  /** By host and digest: the repositories that have it, and since when. The oldest come first. */
  readonly #arrived = new Map<string, Map<string, number>>();
  readonly #mountless = new Map<string, number>();

  constructor(options: BlobLedgerOptions = {}) {
    this.#rememberMs = options.rememberMs ?? 300_000;
    this.#maxRemembered = options.maxRemembered ?? 50_000;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Runs `transfer` unless the blob has just arrived at `place`, waiting for others that are on it first.
   * @returns `shared` where another copy brought it
   * @throws what `transfer` threw; TransferError `Cancelled`. The failure of another copy is not ours: we try ourselves.
   */
  async run(
    place: BlobPlace,
    digest: Digest,
    signal: AbortSignal,
    transfer: (turn: BlobTurn) => Promise<void>,
  ): Promise<'ours' | 'shared'> {
    const key = `${place.host} ${digest}`;
    for (;;) {
      if (signal.aborted) throw cancelled(signal);
      const homes = this.#homes(key);
      if (homes.includes(place.repository)) return 'shared';
      const other = this.#worthWaiting(key, place, homes.length > 0);
      if (other === undefined) {
        const mountFrom = this.#mounts(place.host) ? homes.at(-1) : undefined;
        await this.#fly(key, place.repository, transfer(mountFrom === undefined ? {} : { mountFrom }));
        return 'ours';
      }
      await orAborted(other, signal);
    }
  }

  /** The host did not mount: for a while, nobody waits for another repository's transfer there. */
  noteNoMount(host: string): void {
    this.#mountless.set(host, this.#now() + this.#rememberMs);
  }

  /** The target turned out not to have a blob. */
  forget(place: BlobPlace, digest: Digest): void {
    this.#arrived.get(`${place.host} ${digest}`)?.delete(place.repository);
  }

  /** A transfer to the same repository; or to another one, from where it could be mounted once it is there. */
  #worthWaiting(key: string, place: BlobPlace, mountable: boolean): Promise<void> | undefined {
    const flights = this.#flights.get(key);
    const same = flights?.get(place.repository);
    if (same !== undefined || mountable || flights === undefined || !this.#mounts(place.host)) return same;
    return flights.values().next().value;
  }

  async #fly(key: string, repository: string, transfer: Promise<void>): Promise<void> {
    const flights = this.#flights.get(key) ?? new Map<string, Promise<void>>();
    this.#flights.set(key, flights);
    // Those who wait learn that it is over, and look for themselves how it went.
    const over = transfer
      .then(
        () => this.#arrive(key, repository),
        () => {},
      )
      .finally(() => {
        flights.delete(repository);
        if (flights.size === 0) this.#flights.delete(key);
      });
    flights.set(repository, over);
    await transfer;
    await over;
  }

  #arrive(key: string, repository: string): void {
    const homes = this.#arrived.get(key) ?? new Map<string, number>();
    this.#arrived.delete(key);
    this.#arrived.set(key, homes.set(repository, this.#now()));
    const [oldest] = this.#arrived.keys();
    if (this.#arrived.size > this.#maxRemembered && oldest !== undefined) this.#arrived.delete(oldest);
  }

  #homes(key: string): readonly string[] {
    const since = this.#now() - this.#rememberMs;
    return [...(this.#arrived.get(key) ?? [])].filter(([, at]) => at >= since).map(([repository]) => repository);
  }

  #mounts(host: string): boolean {
    return (this.#mountless.get(host) ?? Number.NEGATIVE_INFINITY) < this.#now();
  }
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = () => {};
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  await Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', stop));
}
