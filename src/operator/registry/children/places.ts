/** Where a Registry keeps things, as its bootstrap document says it. Secrets are named by the folder they are mounted at. */
import type { RegistryBootstrapInput } from '../../../api/bootstrap/v1alpha1.ts';
import { type Authority, authorityFile, paths } from '../paths.ts';
import { parseBytes, parseSeconds } from '../quantity.ts';
import type { RegistrySpec } from '../resource.ts';
import type { Site } from '../site.ts';

type Spec<K extends keyof RegistrySpec> = NonNullable<RegistrySpec[K]>;
type BucketSpec = NonNullable<Spec<'storage'>['s3']>;
type BackupBucketSpec = NonNullable<Spec<'backup'>['target']['s3']>;
type Document = RegistryBootstrapInput;
type Bucket = NonNullable<Document['storage']['s3']>;

/** What of the document follows from where things are kept and how they are looked after. */
export function places(site: Site): Pick<Document, 'storage' | 'metadata' | 'reclaim' | 'scrub' | 'backup'> {
  return { storage: storage(site), metadata: metadata(site), ...care(site.spec), ...backup(site.spec) };
}

/** The certificates that the spec holds for servers, by the file that they are put in. */
export function authorities({ spec }: Site): Record<string, string> {
  const bundles: Record<Authority, string | undefined> = {
    storage: spec.storage?.s3?.caBundle,
    metadata: spec.metadata?.postgres?.caBundle,
    backup: spec.backup?.target.s3?.caBundle,
  };
  const given = Object.entries(bundles).filter((entry): entry is [Authority, string] => entry[1] !== undefined);
  return Object.fromEntries(given.map(([of, pem]) => [authorityFile(of), pem]));
}

function storage({ spec }: Site): Document['storage'] {
  const { s3 } = spec.storage ?? {};
  if (s3 === undefined) return { filesystem: { path: paths.data } };
  const { serverSideEncryption, storageClass, redirects } = s3;
  return {
    s3: {
      ...bucketPlace(s3, { authority: 'storage', credentials: paths.bucket }),
      ...(serverSideEncryption === undefined ? {} : { serverSideEncryption }),
      ...(storageClass === undefined ? {} : { storageClass }),
      ...(redirects === undefined ? {} : { redirects: redirection(redirects) }),
    },
  };
}

function redirection({ mode, expiry }: NonNullable<BucketSpec['redirects']>): NonNullable<Bucket['redirects']> {
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(expiry === undefined ? {} : { expirySeconds: parseSeconds(expiry) }),
  };
}

function metadata({ spec }: Site): Document['metadata'] {
  const { postgres } = spec.metadata ?? {};
  if (postgres === undefined) return { sqlite: spec.storage?.s3 === undefined ? {} : { path: paths.data } };
  const { caBundle, poolSize } = postgres;
  return {
    postgres: {
      secretDirectory: paths.database,
      ...(caBundle === undefined ? {} : { caFile: mounted('metadata') }),
      ...(poolSize === undefined ? {} : { poolSize }),
    },
  };
}

/** Sixty-eight years; the document takes no more, and the schema of a Registry does. */
const forever = 2 ** 31 - 1;

function care({ reclaim, scrub }: RegistrySpec): Pick<Document, 'reclaim' | 'scrub'> {
  const { grace, schedule } = reclaim ?? {};
  const reclaiming = {
    ...(grace === undefined ? {} : { graceSeconds: Math.min(parseSeconds(grace), forever) }),
    ...(schedule === undefined ? {} : { schedule }),
  };
  return {
    ...(Object.keys(reclaiming).length === 0 ? {} : { reclaim: reclaiming }),
    ...(scrub?.rate === undefined ? {} : { scrub: { bytesPerSecond: parseBytes(scrub.rate) } }),
  };
}

function backup({ backup: asked }: RegistrySpec): Pick<Document, 'backup'> {
  if (asked === undefined) return {};
  const { target, schedule, keep } = asked;
  const place = { authority: 'backup', credentials: paths.backupBucket } as const;
  return {
    backup: {
      target: target.s3 === undefined ? { filesystem: { path: paths.backup } } : { s3: bucketPlace(target.s3, place) },
      ...(schedule === undefined ? {} : { schedule }),
      ...(keep === undefined ? {} : { keep }),
    },
  };
}

function bucketPlace(
  { bucket, prefix, region, endpoint, forcePathStyle, caBundle, secretRef }: BucketSpec | BackupBucketSpec,
  { authority, credentials }: { readonly authority: Authority; readonly credentials: string },
): Pick<Bucket, 'bucket' | 'prefix' | 'region' | 'endpoint' | 'forcePathStyle' | 'caFile' | 'credentialsDirectory'> {
  return {
    bucket,
    ...(prefix === undefined ? {} : { prefix }),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: forcePathStyle ?? true }),
    ...(endpoint === undefined && forcePathStyle !== undefined ? { forcePathStyle } : {}),
    ...(caBundle === undefined ? {} : { caFile: mounted(authority) }),
    ...(secretRef === undefined ? {} : { credentialsDirectory: credentials }),
  };
}

function mounted(of: Authority): string {
  return `${paths.bootstrap}/${authorityFile(of)}`;
}
