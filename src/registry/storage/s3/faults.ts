import { StoreError, type StoreFault } from '../../metadata/store.ts';

/** What was asked of the store: the IAM permission that it takes, and the object. */
export interface Doing {
  readonly permission: string;
  readonly object: string;
}

/** What an error of the SDK or of a connection says, as far as it is of use; the rest may hold signatures. */
export interface Symptom {
  /** The store's own code (`AccessDenied`, `SlowDown`, …), or that of the connection (`ECONNREFUSED`, …). */
  readonly code: string;
  readonly status: number | undefined;
  readonly message: string;
  /** The region that the bucket says it is in. */
  readonly region: string | undefined;
}

interface SdkError {
  readonly name?: string;
  readonly Code?: string;
  readonly code?: string;
  readonly message?: string;
  readonly Region?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Record<string, string>; readonly statusCode?: number };
}

/** What the SDK threw, in one form: it names the same thing by four properties. */
export function symptomOf(error: unknown): Symptom {
  const { name, Code, code, message, Region, $metadata, $response } = (error ?? {}) as SdkError;
  const said = [Code, code, name].find((one) => one !== undefined && one !== 'Error' && one !== 'Unknown');
  return {
    code: said ?? 'no code',
    status: $metadata?.httpStatusCode ?? $response?.statusCode,
    message: (message ?? '').slice(0, 300),
    region: Region ?? $response?.headers?.['x-amz-bucket-region'],
  };
}

const CREDENTIALS = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidClientTokenId',
  'CredentialsProviderError',
]);
const CLOCK = new Set(['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture']);
const REGION = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'TemporaryRedirect',
  'IllegalLocationConstraintException',
]);
const FULL = new Set([
  'QuotaExceeded',
  'XMinioStorageFull',
  'InsufficientStorage',
  'XMinioAdminBucketQuotaExceeded',
  'StorageFull',
]);
const AGAIN = new Set([
  'SlowDown',
  'RequestTimeout',
  'InternalError',
  'ServiceUnavailable',
  'ThrottlingException',
  'Throttling',
  'TooManyRequests',
  'OperationAborted',
  // What arrived is not what was signed.
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'XMinioServerNotInitialized',
  // versitygw, where another request removes the folder that this object's is made in. No object of ours is a folder.
  'ExistingObjectIsDirectory',
]);
const CONNECTION = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ECONNABORTED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'TimeoutError',
  'HPE_INVALID_CONSTANT',
]);

export const isCredentialsFault = ({ code }: Symptom) => CREDENTIALS.has(code);
export const isClockFault = ({ code }: Symptom) => CLOCK.has(code);
export const isSilence = ({ code }: Symptom) => code === 'TimeoutError';

/** Whether the same request may go well a moment later. */
export function isPassing({ code, status }: Symptom): boolean {
  if (AGAIN.has(code) || CONNECTION.has(code)) return true;
  return (
    status !== undefined && (status >= 500 || status === 429) && !FULL.has(code) && status !== 501 && status !== 507
  );
}

export function isAbsent({ code, status }: Symptom): boolean {
  return (
    code === 'NoSuchKey' ||
    code === 'NotFound' ||
    (status === 404 && code !== 'NoSuchBucket' && code !== 'NoSuchUpload')
  );
}

export const isNoUpload = ({ code }: Symptom) => code === 'NoSuchUpload';

/** The bucket as messages name it, and what its settings are called. */
export interface Named {
  readonly bucket: string;
  readonly place: string;
  readonly region: string;
  readonly credentials: string;
}

/** Says what went wrong in the operator's terms. Nothing of the SDK's error goes along but its code and sentence. */
export function bucketError(symptom: Symptom, doing: Doing, named: Named): StoreError {
  const { kind, advice } = judged(symptom, doing, named);
  const { code, status, message } = symptom;
  const answer = [status, code].filter((part) => part !== undefined).join(' ');
  return new StoreError(
    kind,
    `${advice} (${doing.permission} on ${doing.object}: ${answer}${message && message !== code ? `: ${message}` : ''})`,
  );
}

interface Judgement {
  readonly kind: StoreFault;
  readonly advice: string;
}

type Judge = (symptom: Symptom, doing: Doing, named: Named) => Judgement | undefined;

/** What it is about, the most telling first. */
const judges: readonly Judge[] = [
  ({ code }, _, { bucket, place }) =>
    code === 'NoSuchBucket'
      ? fault(`there is no bucket ${bucket} at ${place}; create it, or correct storage.s3.bucket`)
      : undefined,
  (symptom, _, { place, credentials }) =>
    isCredentialsFault(symptom)
      ? fault(`${place} does not accept the credentials of ${credentials}; put valid ones there`)
      : undefined,
  (symptom, _, { place }) =>
    isClockFault(symptom)
      ? fault(`the clock of this machine and that of ${place} differ too much; correct it (NTP)`)
      : undefined,
  ({ code, status, region: other }, _, { bucket, region }) => {
    if (!REGION.has(code) && status !== 301) return undefined;
    const where = other === undefined ? 'another region' : `region ${other}`;
    return fault(`the bucket ${bucket} is in ${where}, not in ${region}; correct storage.s3.region`);
  },
  ({ code, status }, { permission }, { bucket, credentials }) =>
    code === 'AccessDenied' || status === 403
      ? fault(`the bucket ${bucket} refuses the credentials of ${credentials}; give them ${permission}`)
      : undefined,
  ({ code, status }, _, { bucket }) =>
    FULL.has(code) || status === 507
      ? { kind: 'full', advice: `the bucket ${bucket} has no space left; raise its quota` }
      : undefined,
  (symptom, _, { place }) =>
    isSilence(symptom) ? fault(`${place} did not answer in time; check it, and the way to it`) : undefined,
  ({ code }, _, { place }) =>
    CONNECTION.has(code) ? fault(`${place} cannot be reached; check it, and the way to it`) : undefined,
  ({ code }, _, { place }) =>
    /^ERR_TLS|CERT|SELF_SIGNED/.test(code)
      ? fault(`the certificate of ${place} is not trusted; give its authority as storage.s3.caFile`)
      : undefined,
  (symptom, _, { place }) =>
    isPassing(symptom) ? { kind: 'busy', advice: `${place} cannot do this at the moment; try again` } : undefined,
];

function judged(symptom: Symptom, doing: Doing, named: Named): Judgement {
  for (const judge of judges) {
    const judgement = judge(symptom, doing, named);
    if (judgement !== undefined) return judgement;
  }
  return fault(`the bucket ${named.bucket} could not do this`);
}

function fault(advice: string): Judgement {
  return { kind: 'io', advice };
}
