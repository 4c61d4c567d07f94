import { isIP } from 'node:net';
import { RegistryBootstrap, type RegistryBootstrapInput } from '../../../api/bootstrap/v1alpha1.ts';
import type { KubeObject } from '../../kube/object.ts';
import { clustersOf, staleSeconds } from '../in-use.ts';
import { files, ports, usersFile } from '../paths.ts';
import { parseBytes, parseSeconds } from '../quantity.ts';
import { owned, type Site } from '../site.ts';
import { authorities, places } from './places.ts';
import { encode } from './secret.ts';

/** Seconds that requests in flight are given after SIGTERM; the pod's grace period is longer. */
export const drainSeconds = 25;
/**
 * Seconds that a pod with others beside it goes on taking connections after SIGTERM: what it takes until every node and
 * every proxy has heard that it is leaving. A pod that is the only one would merely be away for longer.
 */
const handOverSeconds = 8;

/** How long this Registry's pods linger. */
export function lingerSeconds(site: Site): number {
  return site.shared ? handOverSeconds : 0;
}

/** The Secret with the documents that `serve --config` reads, the registry's and that of its workers. */
export function renderBootstrap(site: Site): KubeObject {
  // JSON is YAML too, and a registry reads it without YAML's reader, which would take a tenth of its start.
  const text = (document: RegistryBootstrapInput) => `${JSON.stringify(document, null, 2)}\n`;
  const documents = {
    'config.yaml': text(bootstrapDocument(site)),
    ...(site.separateWorkers && { 'workers.yaml': text(workersDocument(site)) }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: owned(site, site.names.bootstrap),
    type: 'Opaque',
    data: encode({ ...documents, ...authorities(site) }),
  };
}

/**
 * The document itself. Throws when it would not pass the schema that `serve` reads it with: better here, with a
 * condition, than in a pod that does not start.
 */
export function bootstrapDocument(site: Site): RegistryBootstrapInput {
  const { spec } = site;
  const document: RegistryBootstrapInput = {
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    generation: site.registry.metadata.generation ?? 0,
    host: spec.host,
    ...(spec.externalURLs?.length ? { externalURLs: spec.externalURLs } : {}),
    listen: { api: `:${ports.api}`, management: `:${ports.management}` },
    ...tls(site),
    ...places(site),
    ...workers(site, 'None'),
    auth: auth(site),
    admin: { publicKeyFiles: [files.adminPublicKey], audience: adminAudience(site) },
    inUse: { clusters: clustersOf(spec), staleSeconds: staleSeconds(spec) },
    ...limits(site),
    ...(spec.trustedProxies?.length ? { trustedProxies: spec.trustedProxies.map(range) } : {}),
    logging: { level: spec.logging?.level ?? 'info' },
    ...(lingerSeconds(site) === 0 ? {} : { lingerSeconds: lingerSeconds(site) }),
    drainSeconds,
  };
  RegistryBootstrap.parse(document);
  return document;
}

/** What the workers read: of stores and settings the same, and nothing of clients, whom they do not serve. */
export function workersDocument(site: Site): RegistryBootstrapInput {
  const {
    tls: _tls,
    admin: _admin,
    externalURLs: _urls,
    trustedProxies: _proxies,
    lingerSeconds: _linger,
    ...rest
  } = bootstrapDocument(site);
  const document: RegistryBootstrapInput = {
    ...rest,
    listen: { management: `:${ports.management}` },
    ...workers(site, 'Only'),
    auth: { token: { privateKeyFile: files.tokenKey } },
  };
  RegistryBootstrap.parse(document);
  return document;
}

function workers(
  { spec, separateWorkers }: Site,
  run: NonNullable<RegistryBootstrapInput['workers']>['run'],
): Pick<RegistryBootstrapInput, 'workers'> {
  const { concurrency } = spec.workers ?? {};
  if (!separateWorkers && concurrency === undefined) return {};
  return { workers: { ...(separateWorkers && { run }), ...(concurrency === undefined ? {} : { concurrency }) } };
}

/** The `aud` of tokens for the admin API of this Registry. */
export function adminAudience(site: Site): string {
  return `${site.namespace}/${site.name}`;
}

function tls(site: Site): Pick<RegistryBootstrapInput, 'tls'> {
  if (site.certificateSecret === undefined) return {};
  const minVersion = site.spec.tls?.minVersion;
  return {
    tls: {
      certFile: files.certificate,
      keyFile: files.certificateKey,
      ...(minVersion === undefined ? {} : { minVersion }),
    },
  };
}

function auth({ spec }: Site): NonNullable<RegistryBootstrapInput['auth']> {
  const ttl = spec.auth?.tokenTTL;
  return {
    anonymous: spec.auth?.anonymous ?? 'None',
    htpasswdFiles: [usersFile(0), ...(spec.auth?.htpasswd === undefined ? [] : [usersFile(1)])],
    token: {
      privateKeyFile: files.tokenKey,
      ...(ttl === undefined ? {} : { ttlSeconds: parseSeconds(ttl) }),
    },
  };
}

function limits({ spec }: Site): Pick<RegistryBootstrapInput, 'limits'> {
  const { manifestSize, uploadSize, concurrentUploads, concurrentRequests, freeSpaceReserve } = spec.limits ?? {};
  const rendered = {
    ...(manifestSize === undefined ? {} : { manifestBytes: parseBytes(manifestSize) }),
    ...(uploadSize === undefined ? {} : { uploadBytes: parseBytes(uploadSize) }),
    ...(concurrentUploads === undefined ? {} : { concurrentUploads }),
    ...(concurrentRequests === undefined ? {} : { concurrentRequests }),
    ...(freeSpaceReserve === undefined ? {} : { reserveBytes: parseBytes(freeSpaceReserve) }),
  };
  return Object.keys(rendered).length === 0 ? {} : { limits: rendered };
}

/** A single address as the range that holds it alone. */
function range(address: string): string {
  const version = isIP(address);
  return version === 0 ? address : `${address}/${version === 4 ? 32 : 128}`;
}
