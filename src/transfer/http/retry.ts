import { setTimeout as delay } from 'node:timers/promises';
import { cancelled, isTransferError } from '../errors.ts';

/** How often and how long to try again after a passing failure. Times in milliseconds. */
export interface RetryPolicy {
  /** Attempts in all without progress; 1 means no second try. */
  readonly attempts: number;
  /** Attempts where there is no connection at all; as many as for the rest unless given. */
  readonly connectAttempts?: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** What a server may ask us to wait at most (`Retry-After`); longer, and the failure is reported. */
  readonly maxRetryAfterMs: number;
}

export const defaultRetry: RetryPolicy = { attempts: 6, baseMs: 300, capMs: 15_000, maxRetryAfterMs: 120_000 };

/** Full jitter (a uniform share of an exponentially growing ceiling), or what the server asked for plus a little. */
export function backoffMs(policy: RetryPolicy, attempt: number, retryAfterMs?: number): number {
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt, 30));
  if (retryAfterMs !== undefined) return retryAfterMs + Math.random() * policy.baseMs;
  return Math.random() * ceiling;
}

/** `Retry-After` in milliseconds from `now` (RFC 9110 §10.2.3: seconds or a date); undefined where there is none. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Counts attempts that made no progress and waits between them. */
export class Retries {
  readonly #policy: RetryPolicy;
  readonly #signal: AbortSignal;
  #failed = 0;

  constructor(policy: RetryPolicy, signal: AbortSignal) {
    this.#policy = policy;
    this.#signal = signal;
  }

  /** Bytes moved: the count starts again. */
  progressed(): void {
    this.#failed = 0;
  }

  /** Waits before the next attempt. @throws the error itself when it is no passing one, or too many came in a row */
  async after(error: unknown): Promise<void> {
    if (this.#signal.aborted) throw cancelled(this.#signal);
    if (!isTransferError(error) || !error.passing) throw error;
    this.#failed += 1;
    const { attempts, connectAttempts = attempts } = this.#policy;
    if (this.#failed >= (error.fault === 'Unreachable' ? connectAttempts : attempts)) throw error;
    if ((error.retryAfterMs ?? 0) > this.#policy.maxRetryAfterMs) throw error;
    await delay(backoffMs(this.#policy, this.#failed - 1, error.retryAfterMs), undefined, {
      signal: this.#signal,
    }).catch(() => {
      throw cancelled(this.#signal);
    });
  }
}

/** Runs `operation` until it succeeds, fails for good, or the policy is exhausted. */
export async function retrying<T>(policy: RetryPolicy, signal: AbortSignal, operation: () => Promise<T>): Promise<T> {
  const retries = new Retries(policy, signal);
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      await retries.after(error);
    }
  }
}
