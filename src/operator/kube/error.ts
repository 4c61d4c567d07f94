/** One field that the API server refused: `metav1.StatusCause`. */
export interface KubeErrorCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface KubeErrorDetail {
  /** HTTP status; 0 when there was no answer (connection refused, timed out, cut). */
  status: number;
  /** Machine-readable, from `metav1.Status`: NotFound, Conflict, Invalid, Forbidden, AlreadyExists, Expired, … Ours: NoAnswer, KindNotServed, ResponseTooLarge. */
  reason: string;
  message: string;
  causes?: KubeErrorCause[];
  /** How long the server asks us to wait, in seconds. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** A request to the API server that did not succeed. */
export class KubeError extends Error {
  readonly status: number;
  readonly reason: string;
  readonly causes: KubeErrorCause[];
  readonly retryAfterSeconds: number | undefined;

  constructor(detail: KubeErrorDetail) {
    super(detail.message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'KubeError';
    this.status = detail.status;
    this.reason = detail.reason;
    this.causes = detail.causes ?? [];
    this.retryAfterSeconds = detail.retryAfterSeconds;
  }
}

/** Whether somebody else wrote in between (409 Conflict): read again and retry. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason !== 'AlreadyExists';
}

/** Whether the object was there before (409 AlreadyExists). */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.reason === 'AlreadyExists';
}

/** Why a stream was given up that brought no byte for too long. */
export class Silence extends Error {}

/** Whether a stream was given up because it was silent: on a quiet cluster that is no sign of trouble. */
export function isSilence(error: unknown): boolean {
  return error instanceof KubeError && error.cause instanceof Silence;
}

/** Whether the API server does not know the kind at all, for example a ServiceMonitor without its CRD. */
export function isKindNotServed(error: unknown): boolean {
  return error instanceof KubeError && error.reason === 'KindNotServed';
}
