/**
 * The one catalogue of what the registry answers when it refuses: the code a client sees, its HTTP status and its meaning.
 * Codes are those of OCI distribution-spec v1.1 §"Error Codes"; no other code ever reaches a client.
 */
export const catalogue = {
  BLOB_UNKNOWN: { status: 404, meaning: 'blob unknown to registry' },
  BLOB_UPLOAD_INVALID: { status: 400, meaning: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, meaning: 'blob upload unknown to registry' },
  DIGEST_INVALID: { status: 400, meaning: 'provided digest did not match uploaded content' },
  MANIFEST_BLOB_UNKNOWN: { status: 404, meaning: 'manifest references a manifest or blob unknown to registry' },
  MANIFEST_INVALID: { status: 400, meaning: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, meaning: 'manifest unknown to registry' },
  NAME_INVALID: { status: 400, meaning: 'invalid repository name' },
  NAME_UNKNOWN: { status: 404, meaning: 'repository name not known to registry' },
  SIZE_INVALID: { status: 400, meaning: 'provided length did not match content length' },
  UNAUTHORIZED: { status: 401, meaning: 'authentication required' },
  DENIED: { status: 403, meaning: 'requested access to the resource is denied' },
  UNSUPPORTED: { status: 415, meaning: 'the operation is unsupported' },
  TOOMANYREQUESTS: { status: 429, meaning: 'too many requests' },
} as const;

export type ErrorCode = keyof typeof catalogue;

export interface RefusalOptions {
  /** HTTP status where it is not the code's own (413 for a manifest past the limit, 416 for a range out of order, 405 …). */
  status?: number;
  /** Further response headers, for example `Retry-After` (seconds) or `WWW-Authenticate`. */
  headers?: Record<string, string>;
  /** Machine-readable detail for the error body; must hold no secret. */
  detail?: unknown;
  cause?: unknown;
}

/** A request that is refused for a reason the client can act on. `message` says what was wrong, where, and what to do. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly detail: unknown;

  constructor(code: ErrorCode, message?: string, options: RefusalOptions = {}) {
    super(message ?? catalogue[code].meaning, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Refusal';
    this.code = code;
    this.status = options.status ?? catalogue[code].status;
    this.headers = options.headers ?? {};
    this.detail = options.detail;
  }

  /** The body of OCI distribution-spec §"Error Codes": `{"errors":[{code, message, detail}]}`. */
  body(): { errors: { code: ErrorCode; message: string; detail?: unknown }[] } {
    return {
      errors: [
        { code: this.code, message: this.message, ...(this.detail === undefined ? {} : { detail: this.detail }) },
      ],
    };
  }
}
