/**
 * Everything the renderers need to know of one Registry, resolved: its resource, and what the operator decided for it.
 * Renderers are pure functions of a Site, one file per child.
 */
import { type KubeObject, type ObjectMeta, type OwnerReference, ownedBy } from '../kube/object.ts';
import { type ChildNames, type Component, childLabels, childNames, serviceNames } from './names.ts';
import type { RegistryResource, RegistrySpec } from './resource.ts';

/** How the registry's certificate comes about. */
export type TlsSource = 'SelfSigned' | 'Secret' | 'Disabled';

export interface SiteInput {
  readonly registry: RegistryResource;
  /** The image where `spec.image` names none, `repository[:tag][@digest]`. */
  readonly defaultImage: string;
  /** The operator's namespace: what it may always reach the registry from. */
  readonly operatorNamespace?: string;
  /** Whether it carries out a ReplicationRule, and so has to reach other registries. */
  readonly replicates?: boolean;
  /** Whether a ReplicationRule that another Registry carries out reaches it, and so needs a user here. */
  readonly replicated?: boolean;
}

export interface Site extends SiteInput {
  readonly name: string;
  readonly namespace: string;
  readonly spec: RegistrySpec;
  readonly names: ChildNames;
  readonly image: string;
  readonly tls: TlsSource;
  /** Secret with `tls.crt` and `tls.key`; undefined when TLS is off. */
  readonly certificateSecret: string | undefined;
  /** Bytes in a bucket and names in PostgreSQL: nothing is the pod's own, so any number of them may serve at once. */
  readonly shared: boolean;
  /** Whether the long work is done by pods of its own. */
  readonly separateWorkers: boolean;
  /** How many pods the spec asks for. */
  readonly replicas: number;
  /** The claim that holds the data, ours or the user's; undefined where pods hold none. */
  readonly volumeClaim: string | undefined;
  /** `https://registry.bank.example` */
  readonly url: string;
  /** Where pods reach the Service. */
  readonly internalURL: string;
  /** Port of the Service: what clients of `host` connect to. */
  readonly servicePort: number;
  /** Whether data, keys and authority go when the Registry goes. */
  readonly deletesData: boolean;
  readonly configuresNodes: boolean;
}

export function siteOf(input: SiteInput): Site {
  const { registry } = input;
  const { spec } = registry;
  const { name } = registry.metadata;
  const namespace = registry.metadata.namespace ?? '';
  const names = childNames(name);
  const tls = tlsSource(spec);
  const scheme = tls === 'Disabled' ? 'http' : 'https';
  const standard = tls === 'Disabled' ? 80 : 443;
  const servicePort = Number(spec.host.split(':')[1] ?? standard);
  const inside = serviceNames(name, namespace)[0] ?? name;
  const shared = spec.storage?.s3 !== undefined && spec.metadata?.postgres !== undefined;
  return {
    ...input,
    name,
    namespace,
    spec,
    names,
    image: imageOf(spec, input.defaultImage),
    tls,
    certificateSecret: tls === 'Disabled' ? undefined : (spec.tls?.secretName ?? names.certificate),
    shared,
    separateWorkers: shared && spec.workers?.mode === 'Separate',
    replicas: spec.replicas ?? 1,
    volumeClaim: shared ? undefined : (spec.storage?.filesystem?.existingClaim ?? names.volumeClaim),
    url: `${scheme}://${spec.host}`,
    internalURL: `${scheme}://${inside}${servicePort === standard ? '' : `:${servicePort}`}`,
    servicePort,
    deletesData: spec.deletionPolicy === 'Delete',
    configuresNodes: spec.nodeAccess?.mode === 'Configure',
  };
}

export interface Metadata extends ObjectMeta {
  namespace: string;
  labels: Record<string, string>;
}

/** Metadata of a child that goes with its Registry. */
export function owned(site: Site, name: string, component: Component = 'registry'): Metadata {
  return { ...unowned(site, name, component), ownerReferences: [ownerOf(site.registry)] };
}

/** Metadata of a child that outlives its Registry unless `deletionPolicy` is Delete. */
export function kept(site: Site, name: string): Metadata {
  return site.deletesData ? owned(site, name) : unowned(site, name, 'registry');
}

/** Metadata of a child that the operator itself removes. */
export function unowned(site: Site, name: string, component: Component): Metadata {
  return { name, namespace: site.namespace, labels: childLabels(site.name, component) };
}

function ownerOf(registry: KubeObject): OwnerReference {
  return ownedBy(registry);
}

function tlsSource(spec: RegistrySpec): TlsSource {
  if (spec.tls?.disabled === true) return 'Disabled';
  return spec.tls?.secretName === undefined ? 'SelfSigned' : 'Secret';
}

/** A tag or digest alone replaces the one of the default image. */
function imageOf(spec: RegistrySpec, defaultImage: string): string {
  const { repository, tag, digest } = spec.image ?? {};
  if (repository === undefined && tag === undefined && digest === undefined) return defaultImage;
  const base = repository ?? withoutVersion(defaultImage);
  if (digest !== undefined) return `${base}@${digest}`;
  if (tag !== undefined) return `${base}:${tag}`;
  return `${base}${versionOf(defaultImage)}`;
}

/** `host:5000/a/b:1@sha256:…` → `host:5000/a/b` */
function withoutVersion(image: string): string {
  return image.slice(0, image.length - versionOf(image).length);
}

function versionOf(image: string): string {
  return /(:[A-Za-z0-9_][-A-Za-z0-9_.]*)?(@[a-z0-9]+:[a-f0-9]+)?$/.exec(image)?.[0] ?? '';
}
