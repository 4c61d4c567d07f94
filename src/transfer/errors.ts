/** Why a transfer failed, as far as the one who decides what to do next needs to know. */
export type TransferFault =
  /** No credentials, or wrong ones. */
  | 'Unauthorized'
  /** Known, and not allowed to. */
  | 'Denied'
  | 'NotFound'
  /** 429: come back later. */
  | 'RateLimited'
  /** No connection: name, route, port, time-out. */
  | 'Unreachable'
  /** The certificate does not verify, or the other side speaks no TLS. */
  | 'Untrusted'
  /** The connection ended in the middle. */
  | 'Interrupted'
  /** 5xx. */
  | 'ServerFailed'
  /** No room: a quota, or a disk. */
  | 'QuotaExceeded'
  /** 409 or 412: what was to be changed is not as it was, or another write won. */
  | 'Conflict'
  /** Another 4xx. */
  | 'Refused'
  /** Bytes that do not hash to their digest, or too few, or too many. */
  | 'Corrupt'
  /** What was read is no valid manifest, layout or archive, or breaks the protocol. */
  | 'Invalid'
  | 'Cancelled';

/** What whoever runs the transfer does next. */
export type Course =
  /** Again, with back-off: it passes by itself. */
  | 'retry'
  /** At the next comparison: nothing helps until something changes at one of the two ends (room, an image, a tag). */
  | 'wait'
  /** Somebody has to act: credentials, rights, certificates, addresses. */
  | 'stalled';

/** Which end of a copy failed. */
export type Side = 'source' | 'target';

export interface TransferErrorOptions {
  /** HTTP status, where there was an answer. */
  status?: number;
  /** Error codes of the answer's body, e.g. `MANIFEST_UNKNOWN`. */
  codes?: readonly string[];
  /** What the server asked us to wait, in milliseconds. */
  retryAfterMs?: number;
  cause?: unknown;
}

const passing: ReadonlySet<TransferFault> = new Set(['RateLimited', 'Unreachable', 'Interrupted', 'ServerFailed']);

const courses: Readonly<Record<TransferFault, Course>> = {
  Unauthorized: 'stalled',
  Denied: 'stalled',
  NotFound: 'wait',
  RateLimited: 'retry',
  Unreachable: 'retry',
  Untrusted: 'stalled',
  Interrupted: 'retry',
  ServerFailed: 'retry',
  QuotaExceeded: 'wait',
  Conflict: 'wait',
  Refused: 'stalled',
  Corrupt: 'retry',
  Invalid: 'wait',
  Cancelled: 'retry',
};

/** A transfer that failed. `message` says what, where, and what to do next; it never holds a credential. */
export class TransferError extends Error {
  readonly fault: TransferFault;
  readonly status: number | undefined;
  readonly codes: readonly string[];
  readonly retryAfterMs: number | undefined;
  #side: Side | undefined;

  constructor(fault: TransferFault, message: string, options: TransferErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TransferError';
    this.fault = fault;
    this.status = options.status;
    this.codes = options.codes ?? [];
    this.retryAfterMs = options.retryAfterMs;
  }

  /** What to do next; `retryAfterMs` says when, where the server did. */
  get course(): Course {
    return courses[this.fault];
  }

  /** Whether the same request may well succeed a little later. */
  get passing(): boolean {
    return passing.has(this.fault);
  }

  /** The end of the copy that failed, once it is known. */
  get side(): Side | undefined {
    return this.#side;
  }

  /** Notes the end that failed; the first note counts, because a target passes on what its source threw. */
  on(side: Side): this {
    this.#side ??= side;
    return this;
  }
}

/** Whether `error` is a TransferError, of that fault where one is named. */
export function isTransferError(error: unknown, fault?: TransferFault): error is TransferError {
  return error instanceof TransferError && (fault === undefined || error.fault === fault);
}

/** The error that an aborted signal stands for. */
export function cancelled(signal: AbortSignal): TransferError {
  return isTransferError(signal.reason)
    ? signal.reason
    : new TransferError('Cancelled', 'cancelled', { cause: signal.reason });
}
