// Made from crds/ne-registry.io_registries.yaml by build/generate-types.ts: change it there, then `npm run generate`.
import type { ObjectMeta } from './object-meta.ts';

/**
 * A Registry is one OCI container registry that runs in this namespace. The only field it needs is `spec.host`; without
 * more it has one replica, 20Gi of storage, TLS by a certificate authority of its own, and lets nobody in but the
 * administrator that `status.adminSecretName` names.
 */
export interface Registry {
  apiVersion: 'ne-registry.io/v1alpha1';
  kind: 'Registry';
  metadata: ObjectMeta;
  spec: RegistrySpec;
  status?: RegistryStatus;
}

/** What the registry should be. Everything but `host` has a default. */
export interface RegistrySpec {
  /**
   * The registry's external name, `name` or `name:port`, exactly as it stands in front of an image's name, for example
   * `registry.bank.example`. The realm of its tokens, its certificates and the set-up of nodes follow from it. It may
   * change later; images are not bound to it.
   */
  host: string;
  /**
   * Further base URLs under which clients reach this registry, for example a second DNS name. Each becomes a name in
   * the certificate that the operator makes.
   */
  externalURLs?: string[];
  /**
   * The container image that the registry itself runs. By default the image of the operator. It has to come from
   * elsewhere than from this registry.
   */
  image?: RegistryImage;
  /**
   * How many pods serve at once. By default 1. More need `storage.s3` and `metadata.postgres`, because a file system
   * and SQLite have one writer. Where they are set and this is not, an autoscaler may choose the number.
   */
  replicas?: number;
  /**
   * Requests and limits of the registry's container, as in a Pod. By default it requests 100m CPU and 128Mi of memory
   * and has no limit.
   */
  resources?: RegistryResources;
  /** Labels that a node must have to run the registry's pods. */
  nodeSelector?: Record<string, string>;
  /** Taints of nodes that the registry's pods tolerate, as in a Pod. */
  tolerations?: RegistryToleration[];
  /** Affinity of the registry's pods, exactly as in a Pod's `spec.affinity`. By default none. */
  affinity?: Record<string, unknown>;
  /**
   * How pods spread over zones and nodes, as in a Pod's `spec.topologySpreadConstraints`. By default replicas avoid
   * each other's zone and node where they can; `[]` lets them be.
   */
  topologySpread?: RegistryTopologySpread[];
  /** Labels to add to the registry's pods. Those that the operator itself sets cannot be changed. */
  podLabels?: Record<string, string>;
  /** Annotations to add to the registry's pods. */
  podAnnotations?: Record<string, string>;
  /**
   * Where the bytes of images are kept, exactly one of the two. By default `filesystem` with 20Gi. Which of them it is
   * cannot change later.
   */
  storage?: RegistryStorage;
  /**
   * Where names, tags and manifests are kept, exactly one of the two. By default `sqlite`, on the volume of the file
   * system; with `storage.s3` on a volume of its own, of 20Gi. Which of them it is cannot change later.
   */
  metadata?: RegistryMetadata;
  /** How clients outside reach the registry. By default by a Service of type ClusterIP alone. */
  expose?: RegistryExpose;
  /**
   * Addresses (CIDRs) of proxies and load balancers whose word on the client's address, scheme and host is believed
   * (`X-Forwarded-*`, PROXY protocol). By default nobody's.
   */
  trustedProxies?: string[];
  /** Whether connections from `trustedProxies` start with the PROXY protocol (version 1 or 2). By default false. */
  proxyProtocol?: boolean;
  /**
   * The registry's certificate. By default the operator makes a certificate authority of its own, rotates it, and
   * publishes it in `status.caBundle` and a ConfigMap.
   */
  tls?: RegistryTls;
  /**
   * How the cluster's nodes pull from this registry. A node has a resolver and a trust store of its own, so a Service's
   * name alone does not reach it.
   */
  nodeAccess?: RegistryNodeAccess;
  /**
   * Who may do what. By default only the administrator whose Secret `status.adminSecretName` names; anonymous access is
   * off.
   */
  auth?: RegistryAuth;
  /** What one client may take, and what is kept free. */
  limits?: RegistryLimits;
  /** How much projects may store. A project is the first part of a repository's name. */
  quota?: RegistryQuota[];
  /** Tags that cannot be moved or overwritten once they exist. */
  immutableTags?: RegistryImmutableTag[];
  /** How space of images that are gone is taken back. It runs beside the serving, with no read-only time. */
  reclaim?: RegistryReclaim;
  /** Stored bytes are read again and compared with their digest. What differs is quarantined, never deleted. */
  scrub?: RegistryScrub;
  /** Snapshots of the metadata, written to a second place. */
  backup?: RegistryBackup;
  /** Who does the long work (replication, retention, reclaiming space, scrubbing, snapshots). */
  workers?: RegistryWorkers;
  /** Clusters whose running images no policy may expire. */
  inUse?: RegistryInUse;
  /** Metrics are always served on port 9090 at `/metrics`; here is how they are found. */
  metrics?: RegistryMetrics;
  /** The registry's log, JSON lines on standard output. */
  logging?: RegistryLogging;
  /** One line for every decision and change (who, from where, what, which rule, result), chained by hash. */
  audit?: RegistryAudit;
  /**
   * The NetworkPolicy in front of the pods. The operator always makes one; by default everybody may reach the API, and
   * pods of the cluster may read metrics. On a volume alone the registry may open no connection; where it keeps things
   * in a bucket or in PostgreSQL, or carries out a ReplicationRule, what it may reach is left to policies of yours.
   */
  networkPolicy?: RegistryNetworkPolicy;
  /**
   * A PodDisruptionBudget for the pods. By default `{maxUnavailable: 1}` with `replicas` above 1, else none, since with
   * one replica it could only keep nodes from being drained.
   */
  pdb?: RegistryPdb;
  /** Stop reconciling. What runs goes on running. By default false. */
  suspend?: boolean;
  /**
   * What happens to the volume claim, the keys and the certificate authority when the Registry is deleted. `Retain`
   * (the default) keeps them, and a Registry of the same name serves the same images again; `Delete` removes them.
   */
  deletionPolicy?: 'Retain' | 'Delete';
}

/**
 * The container image that the registry itself runs. By default the image of the operator. It has to come from
 * elsewhere than from this registry.
 */
export interface RegistryImage {
  /** Name of the image without tag or digest, for example `ghcr.io/ne-registry/ne-registry`. */
  repository?: string;
  /** Tag of the image. Not together with `digest`. */
  tag?: string;
  /** Digest of the image, for example `sha256:…`. Not together with `tag`. */
  digest?: string;
  /** When nodes pull the image. By default `IfNotPresent`. */
  pullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  /** Secrets of type kubernetes.io/dockerconfigjson in this namespace with which nodes pull the image. */
  pullSecrets?: RegistryImagePullSecret[];
}

export interface RegistryImagePullSecret {
  /** Name of the Secret. */
  name: string;
}

/**
 * Requests and limits of the registry's container, as in a Pod. By default it requests 100m CPU and 128Mi of memory and
 * has no limit.
 */
export interface RegistryResources {
  /** What is set aside for the container, by resource, for example `{cpu: 100m, memory: 128Mi}`. */
  requests?: Record<string, number | string>;
  /** What the container may use at most, by resource, for example `{memory: 512Mi}`. */
  limits?: Record<string, number | string>;
}

export interface RegistryToleration {
  /** The taint's key. Empty with operator `Exists` means every taint. */
  key?: string;
  /** How key and value are compared. By default `Equal`. */
  operator?: 'Exists' | 'Equal';
  /** The taint's value, with operator `Equal`. */
  value?: string;
  /** The taint's effect. Without it every effect. */
  effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
  /** For how many seconds an effect `NoExecute` is tolerated. Without it for ever. */
  tolerationSeconds?: number;
}

export interface RegistryTopologySpread {
  /** By how many pods two topologies may differ. */
  maxSkew: number;
  /** Label of nodes that makes a topology, for example `topology.kubernetes.io/zone`. */
  topologyKey: string;
  /** What happens to a pod that cannot be placed so. */
  whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway';
  /** How many topologies there must be. Only with `DoNotSchedule`. */
  minDomains?: number;
  /** Whether nodes that the pod's affinity excludes count. By default `Honor`. */
  nodeAffinityPolicy?: 'Honor' | 'Ignore';
  /** Whether nodes whose taints the pod does not tolerate count. By default `Ignore`. */
  nodeTaintsPolicy?: 'Honor' | 'Ignore';
}

/**
 * Where the bytes of images are kept, exactly one of the two. By default `filesystem` with 20Gi. Which of them it is
 * cannot change later.
 */
export interface RegistryStorage {
  /** A volume claim, with one writer. The claim outlives the Registry unless `deletionPolicy` is `Delete`. */
  filesystem?: RegistryStorageFilesystem;
  /** A bucket of Amazon S3 or of a compatible store. */
  s3?: RegistryStorageS3;
}

/** A volume claim, with one writer. The claim outlives the Registry unless `deletionPolicy` is `Delete`. */
export interface RegistryStorageFilesystem {
  /**
   * Size of the volume, for example `100Gi`. By default `20Gi`. It may grow, and the claim grows with it where its
   * class allows that; it cannot shrink.
   */
  size?: string;
  /** StorageClass of the volume. By default the cluster's default class. Cannot change later. */
  storageClassName?: string;
  /**
   * Name of a PersistentVolumeClaim in this namespace to use instead of making one. It is never deleted. Cannot change
   * later.
   */
  existingClaim?: string;
}

/** A bucket of Amazon S3 or of a compatible store. */
export interface RegistryStorageS3 {
  /** Name of the bucket. It has to exist. Cannot change later. */
  bucket: string;
  /**
   * What the name of every object starts with, so that a bucket can hold more than one registry. Cannot change later.
   */
  prefix?: string;
  /** Region of the bucket, for example `cn-north-1`. With an `endpoint` it defaults to `us-east-1`. */
  region?: string;
  /**
   * URL of a compatible store, for example `https://minio.storage.svc:9000`. By default Amazon's own for the region.
   */
  endpoint?: string;
  /**
   * Whether the bucket stands in the path instead of in the host's name. By default true with an `endpoint`, else
   * false.
   */
  forcePathStyle?: boolean;
  /**
   * Certificates in PEM of the authorities that the store's certificate is checked against. By default the system's.
   */
  caBundle?: string;
  /**
   * Secret in this namespace with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and perhaps
   * `AWS_SESSION_TOKEN`. It is read again when it changes. Without it the workload identity of the ServiceAccount
   * `NAME-registry` is used.
   */
  secretRef?: RegistryStorageS3SecretRef;
  /** How the store encrypts objects. By default as the bucket is set up. */
  serverSideEncryption?: RegistryStorageS3ServerSideEncryption;
  /**
   * Storage class of new objects, as the store names it, for example `STANDARD_IA`. One that is not read at once, such
   * as `GLACIER`, makes images unreadable.
   */
  storageClass?: string;
  /** Whether clients fetch the bytes of layers straight from the store by a signed URL. By default they do not. */
  redirects?: RegistryStorageS3Redirects;
}

/**
 * Secret in this namespace with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and perhaps
 * `AWS_SESSION_TOKEN`. It is read again when it changes. Without it the workload identity of the ServiceAccount
 * `NAME-registry` is used.
 */
export interface RegistryStorageS3SecretRef {
  /** Name of the Secret. */
  name: string;
}

/** How the store encrypts objects. By default as the bucket is set up. */
export interface RegistryStorageS3ServerSideEncryption {
  /** The algorithm, as S3 names it. */
  algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  /** ID or ARN of the key. By default the account's own for S3. */
  kmsKeyID?: string;
}

/** Whether clients fetch the bytes of layers straight from the store by a signed URL. By default they do not. */
export interface RegistryStorageS3Redirects {
  /**
   * `Presigned` sends clients to the store, which they then have to reach and trust; `None` (the default) serves every
   * byte.
   */
  mode?: 'None' | 'Presigned';
  /**
   * How long a signed URL holds, for example `5m` (the default), at most `1h`. It escapes later decisions about access,
   * so it is short.
   */
  expiry?: string;
}

/**
 * Where names, tags and manifests are kept, exactly one of the two. By default `sqlite`, on the volume of the file
 * system; with `storage.s3` on a volume of its own, of 20Gi. Which of them it is cannot change later.
 */
export interface RegistryMetadata {
  /** A database in the registry's own process, with one writer. It has no settings; write `{}`. */
  sqlite?: Record<string, unknown>;
  /** A PostgreSQL database, which every replica shares. */
  postgres?: RegistryMetadataPostgres;
}

/** A PostgreSQL database, which every replica shares. */
export interface RegistryMetadataPostgres {
  /**
   * Secret in this namespace with the keys that CloudNativePG's application Secret has: `host`, `port`, `dbname`,
   * `username`, `password`; or one key `uri`. It is read again when it changes.
   */
  secretRef: RegistryMetadataPostgresSecretRef;
  /**
   * Certificates in PEM of the authorities that the server's certificate is checked against. By default the system's.
   */
  caBundle?: string;
  /** Connections that one pod opens at most. By default 10. */
  poolSize?: number;
}

/**
 * Secret in this namespace with the keys that CloudNativePG's application Secret has: `host`, `port`, `dbname`,
 * `username`, `password`; or one key `uri`. It is read again when it changes.
 */
export interface RegistryMetadataPostgresSecretRef {
  /** Name of the Secret. */
  name: string;
}

/** How clients outside reach the registry. By default by a Service of type ClusterIP alone. */
export interface RegistryExpose {
  /** The Service in front of the pods. */
  service?: RegistryExposeService;
  /** An Ingress for `host` that leads to the Service. Not together with `gateway`. */
  ingress?: RegistryExposeIngress;
  /** An HTTPRoute of the Gateway API for `host` that leads to the Service. Not together with `ingress`. */
  gateway?: RegistryExposeGateway;
}

/** The Service in front of the pods. */
export interface RegistryExposeService {
  /** Type of the Service. By default `ClusterIP`. */
  type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  /** Port on every node, with type `NodePort` or `LoadBalancer`. By default the cluster chooses one. */
  nodePort?: number;
  /** `Local` keeps the client's address, which rules by address need. By default `Cluster`. */
  externalTrafficPolicy?: 'Cluster' | 'Local';
  /** Annotations of the Service, for example for a cloud's load balancer. */
  annotations?: Record<string, string>;
}

/** An Ingress for `host` that leads to the Service. Not together with `gateway`. */
export interface RegistryExposeIngress {
  /** IngressClass. By default the cluster's default class. */
  className?: string;
  /** Annotations of the Ingress, for example the limit of a body's size (layers are large). */
  annotations?: Record<string, string>;
}

/** An HTTPRoute of the Gateway API for `host` that leads to the Service. Not together with `ingress`. */
export interface RegistryExposeGateway {
  /** Gateways (or their listeners) that the route attaches to. */
  parentRefs: RegistryExposeGatewayParentRef[];
}

export interface RegistryExposeGatewayParentRef {
  /** Name of the Gateway. */
  name: string;
  /** Its namespace. By default this one. */
  namespace?: string;
  /** Name of one listener. By default all that match. */
  sectionName?: string;
  /** Port of one listener. By default all that match. */
  port?: number;
}

/**
 * The registry's certificate. By default the operator makes a certificate authority of its own, rotates it, and
 * publishes it in `status.caBundle` and a ConfigMap.
 */
export interface RegistryTls {
  /**
   * Secret of type kubernetes.io/tls in this namespace with a certificate for `host`. It is read again when it changes.
   */
  secretName?: string;
  /** A Certificate of cert-manager. */
  certManager?: RegistryTlsCertManager;
  /** Oldest version of TLS that is spoken. By default `TLSv1.2`. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /**
   * Serve plain HTTP. Passwords and images then cross the network in the clear; a condition says so. For use behind a
   * proxy that ends TLS.
   */
  disabled?: boolean;
}

/** A Certificate of cert-manager. */
export interface RegistryTlsCertManager {
  /** The issuer that signs it. */
  issuerRef: RegistryTlsCertManagerIssuerRef;
}

/** The issuer that signs it. */
export interface RegistryTlsCertManagerIssuerRef {
  /** Name of the issuer. */
  name: string;
  /** Kind of the issuer. By default `Issuer`. */
  kind?: string;
  /** API group of the issuer. By default `cert-manager.io`. */
  group?: string;
}

/**
 * How the cluster's nodes pull from this registry. A node has a resolver and a trust store of its own, so a Service's
 * name alone does not reach it.
 */
export interface RegistryNodeAccess {
  /**
   * `Configure` runs a small DaemonSet that tells each node's containerd how to reach and trust `host`; it needs a
   * hostPath volume. `None` (the default) means that nodes already resolve and trust `host`.
   */
  mode?: 'None' | 'Configure';
  /** Folder on the node that containerd's `config_path` names. By default `/etc/containerd/certs.d`. */
  configPath?: string;
}

/**
 * Who may do what. By default only the administrator whose Secret `status.adminSecretName` names; anonymous access is
 * off.
 */
export interface RegistryAuth {
  /** What a caller without credentials may do. By default `None`. */
  anonymous?: 'None' | 'Pull';
  /** Further users. */
  htpasswd?: RegistryAuthHtpasswd;
  /** Accept tokens of Kubernetes ServiceAccounts. With `{}` those of this cluster. */
  serviceAccounts?: RegistryAuthServiceAccounts;
  /** Accept identities of an OpenID Connect provider. */
  oidc?: RegistryAuthOidc;
  /** Accept client certificates. The identity is the SPIFFE ID in the URI of the certificate. */
  clientCertificates?: RegistryAuthClientCertificates;
  /** How long a token of the token endpoint holds, for example `5m` (the default), from `60s` to `24h`. */
  tokenTTL?: string;
}

/** Further users. */
export interface RegistryAuthHtpasswd {
  /**
   * Secret in this namespace with a key `htpasswd` that holds lines `user:hash`, with bcrypt hashes (`htpasswd -nB
   * USER`). It is read again when it changes.
   */
  secretRef: RegistryAuthHtpasswdSecretRef;
}

/**
 * Secret in this namespace with a key `htpasswd` that holds lines `user:hash`, with bcrypt hashes (`htpasswd -nB
 * USER`). It is read again when it changes.
 */
export interface RegistryAuthHtpasswdSecretRef {
  /** Name of the Secret. */
  name: string;
}

/** Accept tokens of Kubernetes ServiceAccounts. With `{}` those of this cluster. */
export interface RegistryAuthServiceAccounts {
  /** Other clusters whose ServiceAccounts are accepted as well. */
  issuers?: RegistryAuthServiceAccountsIssuer[];
}

export interface RegistryAuthServiceAccountsIssuer {
  /** Name of the cluster, which principals then carry. */
  name: string;
  /** The `iss` of its tokens, as that cluster's apiserver has it in `--service-account-issuer`. */
  issuer: string;
  /** The `aud` that tokens must carry. By default `host`. */
  audience?: string;
  /** Its public keys as a JSON Web Key Set, for a cluster that cannot be asked. */
  jwks?: string;
  /** Where its public keys are. By default what its discovery document says. */
  jwksURL?: string;
  /** Certificates in PEM of the authorities that `jwksURL` or the issuer is checked against. */
  caBundle?: string;
}

/** Accept identities of an OpenID Connect provider. */
export interface RegistryAuthOidc {
  /** The provider's issuer. */
  issuerURL: string;
  /** The client's ID at the provider, and the `aud` that tokens must carry. */
  clientID: string;
  /** The claim that names the user. By default `sub`. */
  usernameClaim?: string;
  /** The claim that lists the user's groups. By default `groups`. */
  groupsClaim?: string;
  /** Certificates in PEM of the authorities that the provider's certificate is checked against. */
  caBundle?: string;
}

/** Accept client certificates. The identity is the SPIFFE ID in the URI of the certificate. */
export interface RegistryAuthClientCertificates {
  /** Certificates in PEM of the authorities that clients' certificates are checked against. */
  caBundle: string;
  /** The SPIFFE trust domain that is accepted. By default any that the authorities sign. */
  trustDomain?: string;
}

/** What one client may take, and what is kept free. */
export interface RegistryLimits {
  /** Largest manifest that is accepted, for example `8Mi` (the default); larger ones are answered 413. */
  manifestSize?: string;
  /** Largest blob that is accepted, for example `50Gi`. By default there is no limit. */
  uploadSize?: string;
  /** Uploads that one client may have open at once; more are answered 429. By default there is no limit. */
  concurrentUploads?: number;
  /**
   * Requests that one client address may have in flight at once; more are answered 429. By default there is no limit.
   */
  concurrentRequests?: number;
  /**
   * Space on the volume that pushes may not use, so that deletes still work on a full disk, for example `64Mi` (the
   * default).
   */
  freeSpaceReserve?: string;
}

export interface RegistryQuota {
  /**
   * Name of a project, or a pattern with `*`. The first entry that matches holds; each project has the quota for
   * itself.
   */
  project: string;
  /** Bytes that the project may store, for example `500Gi`. What its images share counts once. */
  size: string;
}

export interface RegistryImmutableTag {
  /** Name of a project, or a pattern with `*`. Every entry that matches holds. */
  project: string;
  /** Tags, or patterns with `*`, for example `v*`. */
  tags: string[];
}

/** How space of images that are gone is taken back. It runs beside the serving, with no read-only time. */
export interface RegistryReclaim {
  /**
   * How long bytes stay after their last reference is gone, for example `24h` (the default). At least ten seconds are
   * kept in any case.
   */
  grace?: string;
  /**
   * When bytes are removed, as five fields of cron in UTC, for example `0 3 * * *`. By default all the time, at a low
   * rate.
   */
  schedule?: string;
}

/** Stored bytes are read again and compared with their digest. What differs is quarantined, never deleted. */
export interface RegistryScrub {
  /** Bytes a second that are read for it, for example `10Mi`. `0` turns it off. By default `4Mi`. */
  rate?: string;
}

/** Snapshots of the metadata, written to a second place. */
export interface RegistryBackup {
  /** Where snapshots go, exactly one of the two. */
  target: RegistryBackupTarget;
  /** When a snapshot is made, as five fields of cron in UTC. By default `0 * * * *`. */
  schedule?: string;
  /** How many snapshots are kept. What a kept snapshot names is not reclaimed. By default 24. */
  keep?: number;
}

/** Where snapshots go, exactly one of the two. */
export interface RegistryBackupTarget {
  /**
   * A PersistentVolumeClaim in this namespace, other than the one of the images. With `storage.s3` and
   * `metadata.postgres` it has to be ReadWriteMany.
   */
  existingClaim?: string;
  /** A bucket, other than the one of the images or with another prefix. */
  s3?: RegistryBackupTargetS3;
}

/** A bucket, other than the one of the images or with another prefix. */
export interface RegistryBackupTargetS3 {
  /** Name of the bucket. It has to exist. */
  bucket: string;
  /** What the name of every object starts with. */
  prefix?: string;
  /** Region of the bucket. With an `endpoint` it defaults to `us-east-1`. */
  region?: string;
  /** URL of a compatible store. By default Amazon's own for the region. */
  endpoint?: string;
  /**
   * Whether the bucket stands in the path instead of in the host's name. By default true with an `endpoint`, else
   * false.
   */
  forcePathStyle?: boolean;
  /** Certificates in PEM of the authorities that the store's certificate is checked against. */
  caBundle?: string;
  /**
   * Secret in this namespace with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. Without it the pods'
   * workload identity is used.
   */
  secretRef?: RegistryBackupTargetS3SecretRef;
}

/**
 * Secret in this namespace with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. Without it the pods' workload
 * identity is used.
 */
export interface RegistryBackupTargetS3SecretRef {
  /** Name of the Secret. */
  name: string;
}

/** Who does the long work (replication, retention, reclaiming space, scrubbing, snapshots). */
export interface RegistryWorkers {
  /**
   * `InPod` (the default) uses the registry's pods; `Separate` runs the Deployment `NAME-workers` with one pod, which
   * needs `storage.s3` and `metadata.postgres`.
   */
  mode?: 'InPod' | 'Separate';
  /**
   * Passes of background work (reclaim, sweep, scrub, trim, retention) in one pod at once. By default 4. What is copied
   * at once is for each ReplicationRule to say.
   */
  concurrency?: number;
  /**
   * Requests and limits of the workers' container, as in a Pod. Those of `spec.resources` unless given. Only with
   * `Separate`.
   */
  resources?: RegistryWorkersResources;
}

/**
 * Requests and limits of the workers' container, as in a Pod. Those of `spec.resources` unless given. Only with
 * `Separate`.
 */
export interface RegistryWorkersResources {
  /** What is set aside for the container, by resource, for example `{cpu: 100m, memory: 192Mi}`. */
  requests?: Record<string, number | string>;
  /** What the container may use at most, by resource, for example `{memory: 512Mi}`. */
  limits?: Record<string, number | string>;
}

/** Clusters whose running images no policy may expire. */
export interface RegistryInUse {
  /**
   * The clusters that report what they run. Nothing expires before each has reported once. Taking a cluster off the
   * list forgets what it ran.
   */
  clusters?: RegistryInUseCluster[];
  /**
   * Age of a report past which it counts as stale, for example `15m` (the default). What a stale cluster ran, and all
   * that was pulled since, stays.
   */
  staleAfter?: string;
}

export interface RegistryInUseCluster {
  /** Name under which the cluster reports. `local` is the cluster of this Registry. */
  name: string;
}

/** Metrics are always served on port 9090 at `/metrics`; here is how they are found. */
export interface RegistryMetrics {
  /** A ServiceMonitor of the Prometheus operator. With `{}` one with no labels. */
  serviceMonitor?: RegistryMetricsServiceMonitor;
}

/** A ServiceMonitor of the Prometheus operator. With `{}` one with no labels. */
export interface RegistryMetricsServiceMonitor {
  /** Labels by which Prometheus selects it. */
  labels?: Record<string, string>;
  /** How often metrics are read. By default as Prometheus is set up. */
  interval?: string;
}

/** The registry's log, JSON lines on standard output. */
export interface RegistryLogging {
  /** Least severity that is written. By default `info`. */
  level?: 'debug' | 'info' | 'warn' | 'error';
}

/** One line for every decision and change (who, from where, what, which rule, result), chained by hash. */
export interface RegistryAudit {
  /** `Stdout`, or `File` on the registry's volume. */
  destination: 'Stdout' | 'File';
  /** Whether a request fails when its line cannot be written. By default false; lost lines are then counted. */
  required?: boolean;
}

/**
 * The NetworkPolicy in front of the pods. The operator always makes one; by default everybody may reach the API, and
 * pods of the cluster may read metrics. On a volume alone the registry may open no connection; where it keeps things in
 * a bucket or in PostgreSQL, or carries out a ReplicationRule, what it may reach is left to policies of yours.
 */
export interface RegistryNetworkPolicy {
  /**
   * Who may reach the registry's API besides the operator, as in a NetworkPolicy. By default everybody. Nodes pull with
   * their own addresses, so they need an `ipBlock`.
   */
  from?: RegistryNetworkPolicyFrom[];
}

export interface RegistryNetworkPolicyFrom {
  /** A range of addresses. */
  ipBlock?: RegistryNetworkPolicyFromIpBlock;
  /** Pods, of this namespace or of those that `namespaceSelector` selects. `{}` selects all. */
  podSelector?: RegistryNetworkPolicyFromPodSelector;
  /** Namespaces. `{}` selects all. */
  namespaceSelector?: RegistryNetworkPolicyFromNamespaceSelector;
}

/** A range of addresses. */
export interface RegistryNetworkPolicyFromIpBlock {
  /** The range, for example `10.0.0.0/8`. */
  cidr: string;
  /** Ranges inside it that are left out. */
  except?: string[];
}

/** Pods, of this namespace or of those that `namespaceSelector` selects. `{}` selects all. */
export interface RegistryNetworkPolicyFromPodSelector {
  /** Labels that must be equal. */
  matchLabels?: Record<string, string>;
  /** Further requirements; all must hold. */
  matchExpressions?: RegistryNetworkPolicyFromPodSelectorMatchExpression[];
}

export interface RegistryNetworkPolicyFromPodSelectorMatchExpression {
  /** The label's key. */
  key: string;
  /** How it is compared. */
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  /** Values for `In` and `NotIn`. */
  values?: string[];
}

/** Namespaces. `{}` selects all. */
export interface RegistryNetworkPolicyFromNamespaceSelector {
  /** Labels that must be equal. */
  matchLabels?: Record<string, string>;
  /** Further requirements; all must hold. */
  matchExpressions?: RegistryNetworkPolicyFromNamespaceSelectorMatchExpression[];
}

export interface RegistryNetworkPolicyFromNamespaceSelectorMatchExpression {
  /** The label's key. */
  key: string;
  /** How it is compared. */
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  /** Values for `In` and `NotIn`. */
  values?: string[];
}

/**
 * A PodDisruptionBudget for the pods. By default `{maxUnavailable: 1}` with `replicas` above 1, else none, since with
 * one replica it could only keep nodes from being drained.
 */
export interface RegistryPdb {
  /** Pods that stay at least, a number or a percentage. With one replica, 1 stops nodes from being drained. */
  minAvailable?: number | string;
  /** Pods that may be away at most, a number or a percentage. */
  maxUnavailable?: number | string;
}

/** What the operator sees. Written by the operator alone. */
export interface RegistryStatus {
  /** The `metadata.generation` that this status speaks of; -1 before the operator has seen the Registry. */
  observedGeneration?: number;
  /**
   * `Ready`; while the operator works on it `Reconciling`; when it cannot go on until the spec or the cluster changes
   * `Stalled`; and warnings. See docs/spec/v1alpha1/registry.md for every reason.
   */
  conditions?: RegistryStatusCondition[];
  /** Where clients reach the registry, for example `https://registry.bank.example`. */
  url?: string;
  /** Where pods of this cluster reach it, by the Service's name. */
  internalURL?: string;
  /** Certificates in PEM that clients need to trust the registry. Absent where its certificate comes from elsewhere. */
  caBundle?: string;
  /** Secret in this namespace with the keys `username` and `password` of the first administrator. */
  adminSecretName?: string;
  /**
   * For each other cluster of `spec.inUse.clusters` the Secret that lets its operator report here. Carry it there, and
   * name it there with the chart's value `inventory.reportTo`.
   */
  reporters?: RegistryStatusReporter[];
  /** Version of the registry that runs. */
  version?: string;
  /** The registry's pods. */
  replicas?: RegistryStatusReplicas;
  /** The pods that do the long work, where `spec.workers.mode` is `Separate`. */
  workers?: RegistryStatusWorkers;
  /** What is stored, as the registry last reported it. */
  storage?: RegistryStatusStorage;
  /** How many repositories there are. */
  repositories?: number;
  /** When the last snapshot of the metadata was complete. */
  lastBackup?: string;
  /** When the certificate that is served now ends. */
  certificateExpiry?: string;
  /** Value of the annotation `ne-registry.io/reconcile-at` that was last acted upon. */
  lastHandledReconcileAt?: string;
}

export interface RegistryStatusCondition {
  /** What the condition is about. */
  type: string;
  /** Whether it holds. */
  status: 'True' | 'False' | 'Unknown';
  /** The `metadata.generation` that it was judged for. */
  observedGeneration?: number;
  /** When `status` last changed. */
  lastTransitionTime: string;
  /** Why, in one word, for programs. */
  reason: string;
  /** Why, and what to do next, for people. */
  message: string;
}

export interface RegistryStatusReporter {
  /** Name of the cluster. */
  cluster: string;
  /** Secret in this namespace with the keys `url`, `cluster`, `token`, `interval` and, where it is known, `ca.crt`. */
  secretName: string;
}

/** The registry's pods. */
export interface RegistryStatusReplicas {
  /** How many there should be. */
  desired?: number;
  /** How many are ready. */
  ready?: number;
  /** How many run the newest specification. */
  updated?: number;
}

/** The pods that do the long work, where `spec.workers.mode` is `Separate`. */
export interface RegistryStatusWorkers {
  /** How many there should be. */
  desired?: number;
  /** How many are ready. */
  ready?: number;
  /** How many run the newest specification. */
  updated?: number;
}

/** What is stored, as the registry last reported it. */
export interface RegistryStatusStorage {
  /** Bytes that images use. */
  usedBytes?: number;
  /** Bytes that nothing refers to any more and that will be taken back. */
  reclaimableBytes?: number;
  /** Bytes free on the volume. Absent with s3. */
  freeBytes?: number;
}
