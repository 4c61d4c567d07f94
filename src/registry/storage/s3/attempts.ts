import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../../metadata/store.ts';
import { isClockFault, isCredentialsFault, isPassing, isSilence, type Symptom, symptomOf } from './faults.ts';

export interface Patience {
  /** Milliseconds without any progress after which an attempt is given up. */
  readonly silentMillis: number;
  /** Attempts in all, where a request may go well a moment later. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; each further pause is three times as long. */
  readonly pauseMillis: number;
}

export const usualPatience: Patience = { silentMillis: 10_000, attempts: 4, pauseMillis: 100 };

/** One try: a signal that ends it, and what to call whenever something moved. */
export interface Attempt {
  readonly signal: AbortSignal;
  alive(): void;
  /** Ends it with this error. */
  fail(error: Error): void;
}

/** Silence is worth one more try: a client that waits has its own patience. */
const MOST_SILENCES = 2;

/**
 * Tries until it goes well, or is sure not to: the SDK's own retries cannot send a stream twice, so that all are made here.
 * Throws the last error as it came.
 * @param onRefused called when the store did not accept the credentials, before they are tried once more
 */
export async function persist<T>(
  patience: Patience,
  work: (attempt: Attempt) => Promise<T>,
  onRefused: () => void,
): Promise<T> {
  const failures: Symptom[] = [];
  for (;;) {
    try {
      return await once(patience.silentMillis, work);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const symptom = symptomOf(error);
      failures.push(symptom);
      if (!isWorthAnother(failures, patience)) throw error;
      if (isOurs(symptom)) onRefused();
    }
    await sleep(patience.pauseMillis * 3 ** (failures.length - 1) * (0.5 + Math.random()));
  }
}

function isWorthAnother(failures: readonly Symptom[], { attempts }: Patience): boolean {
  const last = failures.at(-1);
  if (last === undefined || failures.length >= attempts) return false;
  if (isOurs(last)) return failures.filter(isOurs).length === 1;
  return isPassing(last) && failures.filter(isSilence).length < MOST_SILENCES;
}

/** The SDK has learnt the server's clock from the answer, and the credentials may be others by now. */
function isOurs(symptom: Symptom): boolean {
  return isCredentialsFault(symptom) || isClockFault(symptom);
}

async function once<T>(silentMillis: number, work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const silent = Object.assign(new Error(`no answer within ${silentMillis} ms`), { name: 'TimeoutError' });
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const fail = (error: Error) => {
    reject(error);
    controller.abort(error);
  };
  const timer = setTimeout(fail, silentMillis, silent);
  try {
    return await Promise.race([work({ signal: controller.signal, alive: () => timer.refresh(), fail }), ended]);
  } finally {
    clearTimeout(timer);
  }
}
