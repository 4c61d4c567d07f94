/**
 * The bootstrap document: what `ne-registry serve --config FILE` reads and what the operator renders into a Secret.
 * It is the only thing that both programs know of each other, so it lives between them.
 * Unknown keys are errors: a setting that is not understood must never be ignored silently.
 */
import * as z from 'zod';

/** `host:port`, `:port` or `[v6]:port`; port 0 lets the kernel choose. */
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]*):\d{1,5}$/, 'must be "host:port", ":port" or "[v6]:port"')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, 'has a port past 65535');
const path = z.string().min(1).max(4096);
const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const positive = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31 - 1);

const Limits = z.strictObject({
  /** Largest manifest accepted, bytes; larger → 413. Spec says at least 4 MiB. */
  manifestBytes: bytes.min(1).default(8 * 1024 * 1024),
  /** Largest blob accepted, bytes; 0 means no limit. */
  uploadBytes: bytes.default(0),
  /** Uploads one client may have in flight at once; past it → 429. 0 means no limit. */
  concurrentUploads: bytes.default(0),
  /** Requests in flight per client address; past it → 429. 0 means no limit. */
  concurrentRequests: bytes.default(0),
  /** Free space kept for deletes, bytes: pushes are refused (429) when less is left. */
  reserveBytes: bytes.default(64 * 1024 * 1024),
  /** An upload session that saw no byte for this long is dropped, seconds. */
  uploadIdleSeconds: positive.default(7 * 24 * 3600),
});

const Content = z.strictObject({
  /**
   * Manifests whose blobs or children are not in the repository: taken as they are (sparse images and indexes), taken for
   * children of an index alone, or refused with MANIFEST_BLOB_UNKNOWN. A missing subject is always taken.
   */
  missingReferences: z.enum(['Allow', 'AllowInIndex', 'Refuse']).default('Allow'),
});

const seconds = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const FilesystemPlace = z.strictObject({ path });

/** A bucket. Credentials are files of the AWS names in a folder (a mounted Secret), read again when they change. */
const BucketPlace = z.strictObject({
  bucket: z.string().min(3).max(63),
  /** What the name of every object starts with. */
  prefix: z.string().max(512).default(''),
  region: z.string().min(1).max(64).default('us-east-1'),
  /** URL of a compatible store; Amazon's own for the region unless given. */
  endpoint: z.url().optional(),
  forcePathStyle: z.boolean().optional(),
  /** PEM certificates of the authorities that the store's certificate is checked against; the system's unless given. */
  caFile: path.optional(),
  /**
   * Folder with `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and perhaps `AWS_SESSION_TOKEN`, one file each. Without it the
   * SDK's own chain (environment, web identity, instance).
   */
  credentialsDirectory: path.optional(),
});

const Bucket = BucketPlace.extend({
  serverSideEncryption: z
    .strictObject({
      algorithm: z.enum(['AES256', 'aws:kms', 'aws:kms:dsse']),
      kmsKeyID: z.string().max(2048).optional(),
    })
    .optional(),
  storageClass: z.string().max(64).optional(),
  /** `Presigned` sends clients to the store by URLs that hold for `expirySeconds`. */
  redirects: z
    .strictObject({
      mode: z.enum(['None', 'Presigned']).default('None'),
      expirySeconds: z.number().int().min(10).max(3600).default(300),
    })
    .prefault({}),
});

const Postgres = z.strictObject({
  /**
   * Folder with the keys of CloudNativePG's application Secret, one file each: `uri`, or `host`, `port`, `dbname`, `username`,
   * `password`. Read again for every new connection.
   */
  secretDirectory: path,
  caFile: path.optional(),
  /** `VerifyFull` unless the `uri` says otherwise (`sslmode`). */
  tls: z.enum(['VerifyFull', 'Require', 'Disable']).optional(),
  poolSize: z.number().int().min(1).max(200).default(10),
});

const oneOf = <T extends object>(keys: readonly (keyof T & string)[]) => ({
  check: (value: T) => keys.filter((key) => value[key] !== undefined).length === 1,
  message: `needs exactly one of ${keys.join(' and ')}`,
});
const storageKinds = oneOf<{ filesystem?: unknown; s3?: unknown }>(['filesystem', 's3']);
const metadataKinds = oneOf<{ sqlite?: unknown; postgres?: unknown }>(['sqlite', 'postgres']);

const Storage = z
  .strictObject({ filesystem: FilesystemPlace.optional(), s3: Bucket.optional() })
  .refine(storageKinds.check, storageKinds.message);

const Metadata = z
  .strictObject({
    /** In `path`, or in the data directory of the filesystem storage. One writer. */
    sqlite: z.strictObject({ path: path.optional() }).optional(),
    postgres: Postgres.optional(),
  })
  .refine(metadataKinds.check, metadataKinds.message);

/** Five fields of cron in UTC, or `@hourly` and the like. */
const schedule = z.string().min(1).max(128);

const Reclaim = z.strictObject({
  /** How long bytes stay after their last reference is gone; ten seconds in any case. */
  graceSeconds: seconds.default(24 * 3600),
  /** When bytes are removed; all the time unless given. */
  schedule: schedule.optional(),
});

const Scrub = z.strictObject({
  /** Bytes a second that are read again and compared with their digest; 0 turns it off. */
  bytesPerSecond: bytes.default(4 * 1024 * 1024),
});

const Backup = z.strictObject({
  /** The second place. */
  target: z
    .strictObject({ filesystem: FilesystemPlace.optional(), s3: BucketPlace.optional() })
    .refine(storageKinds.check, storageKinds.message),
  schedule: schedule.default('0 * * * *'),
  keep: z.number().int().min(1).max(1000).default(24),
});

const InUse = z.strictObject({
  /** Clusters that report what they run: no policy expires anything before each of them has. */
  clusters: z
    .array(z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label'))
    .max(512)
    .refine((names) => new Set(names).size === names.length, 'names a cluster twice')
    .default([]),
  /** A report that came in longer ago is stale: what it named, and all that was pulled since, stays. */
  staleSeconds: positive.default(900),
});

const Workers = z.strictObject({
  /**
   * Where the work beside serving is done (replication, retention, reclaiming, scrubbing). `InPod`: here. `None`: in another process
   * that shares the stores. `Only`: here, and nothing is served but health and metrics, on `listen.management` or else on `listen.api`.
   */
  run: z.enum(['InPod', 'None', 'Only']).default('InPod'),
  /** Passes of background work at once; those past it wait for their turn. What replication copies at once is each rule's own to say. */
  concurrency: z.number().int().min(1).max(256).default(4),
});

const Auth = z.strictObject({
  /** What a caller without credentials may do. */
  anonymous: z.enum(['None', 'Pull', 'Push']).default('None'),
  /** htpasswd files, read in order; bcrypt (`$2a$`, `$2b$`, `$2y$`) hashes. Re-read when they change. */
  htpasswdFiles: z.array(path).max(16).default([]),
  /** Users of the htpasswd files with these names may also call the admin API; every user of the files may pull, push and delete. */
  administrators: z.array(z.string().min(1).max(253)).max(64).default(['admin']),
  token: z
    .strictObject({
      /** PKCS#8 PEM with the Ed25519 key that signs bearer tokens; without it the registry makes one in its data directory. */
      privateKeyFile: path.optional(),
      /** SPKI PEM files of earlier keys whose tokens are still accepted (rotation). */
      previousPublicKeyFiles: z.array(path).max(8).default([]),
      /** Life of a bearer token, seconds; Docker clients need at least 60. */
      ttlSeconds: z.number().int().min(60).max(86_400).default(300),
      /** `service` of the challenge and `aud` of the token; default: the host. */
      service: z.string().min(1).max(253).optional(),
    })
    .prefault({}),
});

const Tls = z.strictObject({
  certFile: path,
  keyFile: path,
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
});

const Document = z.strictObject({
  apiVersion: z.literal('bootstrap.ne-registry.io/v1alpha1'),
  kind: z.literal('RegistryBootstrap'),
  /** `metadata.generation` of the Registry that this was rendered from; reported by the admin API once it runs. */
  generation: z.number().int().min(0).default(0),
  /** External name, `host[:port]`; the default realm and service of the token endpoint follow from it. */
  host: z.string().min(1).max(261).optional(),
  /** Further base URLs (`https://…`) under which clients reach it. For people: a realm follows the address that the client used. */
  externalURLs: z.array(z.url()).max(16).default([]),
  listen: z
    .strictObject({
      /** The OCI API, the token endpoint and the admin API. */
      api: address.default(':5000'),
      /** `/metrics`, `/healthz`, `/readyz` in plain HTTP; without it they are served on `api`. */
      management: address.optional(),
    })
    .prefault({}),
  tls: Tls.optional(),
  storage: Storage,
  metadata: Metadata.prefault({ sqlite: {} }),
  reclaim: Reclaim.prefault({}),
  scrub: Scrub.prefault({}),
  /** Snapshots of the metadata in a second place; none unless given. */
  backup: Backup.optional(),
  workers: Workers.prefault({}),
  auth: Auth.prefault({}),
  /** Who may call the admin API with a signed token; without it only administrators with a password. */
  admin: z
    .strictObject({
      /** SPKI PEM files with Ed25519 public keys of the operator. */
      publicKeyFiles: z.array(path).min(1).max(8),
      /** `aud` the token must carry, for example `registry/main` (namespace/name). */
      audience: z.string().min(1).max(512),
    })
    .optional(),
  /** Clusters whose running images no retention policy may expire. */
  inUse: InUse.prefault({}),
  limits: Limits.prefault({}),
  content: Content.prefault({}),
  /** CIDRs whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. */
  trustedProxies: z.array(z.string().min(1).max(64)).max(64).default([]),
  logging: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
  /**
   * Seconds after SIGTERM for which new connections are still taken, while `/readyz` says no and every answer ends its
   * connection: whoever sends requests here (kube-proxy, a load balancer) learns in them to send them elsewhere.
   */
  lingerSeconds: z.number().int().min(0).max(300).default(0),
  /** Seconds that requests in flight are given after SIGTERM and `lingerSeconds`. */
  drainSeconds: z.number().int().min(0).max(3600).default(25),
});

export const RegistryBootstrap = Document.refine(
  ({ storage, metadata }) =>
    metadata.sqlite === undefined || (storage.filesystem ?? metadata.sqlite.path) !== undefined,
  { path: ['metadata', 'sqlite', 'path'], message: 'is needed where storage is not a file system' },
).refine(
  ({ storage, metadata, workers }) =>
    workers.run === 'InPod' || (storage.s3 !== undefined && metadata.postgres !== undefined),
  {
    path: ['workers', 'run'],
    message:
      'can only be InPod where storage.s3 and metadata.postgres are not both given: other stores have one process',
  },
);

/** The document with every default filled in. */
export type RegistryBootstrap = z.output<typeof RegistryBootstrap>;
/** The document as it is written: what has a default may be left out. */
export type RegistryBootstrapInput = z.input<typeof RegistryBootstrap>;
