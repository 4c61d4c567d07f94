import { type RetryWaits, retryWait } from '../../domain/replication/retry.ts';
import { isTransferError, type TransferError, type TransferFault } from '../../transfer/errors.ts';

/** What is wrong with a whole registry, and not with one image. */
const hostFaults: ReadonlySet<TransferFault> = new Set([
  'Unreachable',
  'Untrusted',
  'Unauthorized',
  'RateLimited',
  'ServerFailed',
  'Interrupted',
]);
/** These may also be one image's bad luck: so many in a row are not. */
const perhaps: ReadonlySet<TransferFault> = new Set(['ServerFailed', 'Interrupted']);
const unlucky = 3;

export interface BreakerOptions {
  readonly waits: RetryWaits;
  now(): number;
  chance(): number;
}

/** Keeps a lane from trying image after image against a registry that does not answer: one of them tries, the others wait. */
export class Breaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #openUntil = 0;
  /** What it was that failed last. */
  fault: TransferError | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** How many may be under way at once. */
  get most(): number {
    return this.#failures === 0 ? Number.POSITIVE_INFINITY : 1;
  }

  /** Milliseconds since the epoch until which nothing is tried; in the past where something may be. */
  get openUntil(): number {
    return this.#openUntil;
  }

  /** @returns whether this tells of the registry as a whole */
  failed(error: unknown): boolean {
    if (!isTransferError(error) || !hostFaults.has(error.fault)) return false;
    const { waits, now, chance } = this.#options;
    this.#failures += 1;
    if (perhaps.has(error.fault) && this.#failures < unlucky) return false;
    this.fault = error;
    this.#openUntil = now() + retryWait(waits, this.#failures, chance(), error.retryAfterMs);
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = 0;
    this.fault = undefined;
  }

  /** Somebody wants it tried now. */
  reset(): void {
    this.#openUntil = 0;
  }
}
