import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { messageOf } from '../../../platform/fatal.ts';
import { StoreError } from '../../metadata/store.ts';
import type { CredentialsFolder } from './credentials.ts';
import type { Named } from './faults.ts';

/** Where a bucket is, and who we are there. */
export interface BucketPlace {
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
  readonly caFile?: string | undefined;
  readonly credentialsDirectory?: string | undefined;
}

/** Connections at once, of every kind. */
const CONNECTIONS = 64;

/** It would tell the console of attempts that failed; ours tell the caller. */
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {}

/**
 * A client that makes one attempt at a time: trying again, and for how long, is decided in one place (`attempts.ts`).
 * Checksums beyond the signature and TLS are for Amazon's own store: others trip over what the SDK sends by itself.
 */
export function createClient(place: BucketPlace, credentials: CredentialsFolder | undefined): S3Client {
  const { endpoint, region } = place;
  const agent = { keepAlive: true, maxSockets: CONNECTIONS };
  const authority = authorityOf(place);
  const ca = authority === undefined ? {} : { ca: authority };
  const config: S3ClientConfig = {
    region,
    forcePathStyle: place.forcePathStyle ?? endpoint !== undefined,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would open a connection of its own for every body.
    expectContinueHeader: false,
    logger: silent,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: { ...agent, ...ca },
      socketAcquisitionWarningTimeout: 2 ** 30,
    },
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials !== undefined && { credentials: () => credentials.read() }),
  };
  const client = new S3Client(config);
  // Stores that are not Amazon's know the older of the two proofs of a list of deletions.
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const request = args.request as { body?: unknown; headers: Record<string, string> };
        if (commandName === 'DeleteObjectsCommand' && typeof request.body === 'string') {
          request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64');
        }
        return next(args);
      },
    { step: 'build', name: 'proofOfDeletions' },
  );
  return client;
}

export function namesOf(place: BucketPlace): Named {
  return {
    bucket: place.bucket,
    region: place.region,
    place: place.endpoint ?? `Amazon S3 in ${place.region}`,
    credentials: place.credentialsDirectory ?? 'the environment (no storage.s3.credentialsDirectory is set)',
  };
}

/** PEM of who signed the store's certificate, where that is nobody whom Node knows. Throws StoreError. */
export function authorityOf({ caFile }: BucketPlace): Buffer | undefined {
  if (caFile === undefined) return undefined;
  try {
    return readFileSync(caFile);
  } catch (error) {
    throw new StoreError('io', `storage.s3.caFile cannot be read: ${messageOf(error)}`);
  }
}
