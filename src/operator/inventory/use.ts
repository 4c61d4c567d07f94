/** What objects of Kubernetes use of images, cut down to that: whole objects would fill the memory. Pure. */
import { isDigest } from '../../domain/oci/digest.ts';
import type { KubeObject } from '../kube/object.ts';

/** An image that something uses. */
export interface Use {
  /** As the workload writes it. */
  readonly image: string;
  /** What it was resolved to, where a node did so: of an index, a manifest or a config. */
  readonly digests?: readonly string[];
}

/** A workload, or something that holds a template of one, without everything else. */
export interface User extends KubeObject {
  readonly uses: readonly Use[];
  /** Its controller, in its own namespace. */
  readonly owner?: { readonly kind: string; readonly name: string };
}

/** Gives each text back as the one object that is kept for it: thousands of pods name the same few images. */
export type Intern = (text: string) => string;

interface Container {
  readonly name?: string;
  readonly image?: string;
}

interface ContainerStatus {
  readonly name?: string;
  readonly image?: string;
  readonly imageID?: string;
  readonly volumeMounts?: readonly { name?: string; volumeStatus?: { image?: { imageRef?: string } } }[];
}

interface PodSpec {
  readonly initContainers?: readonly Container[];
  readonly containers?: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly volumes?: readonly { name?: string; image?: { reference?: string } }[];
}

interface PodStatus {
  readonly phase?: string;
  readonly initContainerStatuses?: readonly ContainerStatus[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly ephemeralContainerStatuses?: readonly ContainerStatus[];
}

/** Where objects of a kind hold the specification of pods. */
export type Where = 'pod' | 'template' | 'jobTemplate' | 'revision';

/** The object with nothing but what it uses and whose it is. */
export function slim(object: KubeObject, where: Where, intern: Intern): User {
  const { name, namespace, uid, resourceVersion, ownerReferences } = object.metadata;
  const owner = ownerReferences?.find(({ controller }) => controller === true);
  return {
    apiVersion: intern(object.apiVersion),
    kind: intern(object.kind),
    metadata: {
      name,
      ...(namespace !== undefined && { namespace: intern(namespace) }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    uses: usesOf(object, where).map((use) => interned(use, intern)),
    ...(owner && { owner: { kind: intern(owner.kind), name: intern(owner.name) } }),
  };
}

function interned({ image, digests }: Use, intern: Intern): Use {
  return { image: intern(image), ...(digests && { digests: digests.map(intern) }) };
}

function usesOf(object: KubeObject, where: Where): Use[] {
  if (where === 'pod') return usesOfPod(object as { spec?: PodSpec; status?: PodStatus });
  return usesOfSpec(podSpecIn(object, where) ?? {});
}

function podSpecIn(object: KubeObject, where: Where): PodSpec | undefined {
  const { spec, data } = object as {
    spec?: Templated & { jobTemplate?: { spec?: Templated } };
    data?: { spec?: Templated };
  };
  if (where === 'template') return spec?.template?.spec;
  if (where === 'jobTemplate') return spec?.jobTemplate?.spec?.template?.spec;
  return data?.spec?.template?.spec;
}

interface Templated {
  readonly template?: { readonly spec?: PodSpec };
}

/** A pod that has ended never runs again; what made it counts by itself. */
function usesOfPod({ spec = {}, status = {} }: { spec?: PodSpec; status?: PodStatus }): Use[] {
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return [];
  const statuses = [
    ...(status.initContainerStatuses ?? []),
    ...(status.containerStatuses ?? []),
    ...(status.ephemeralContainerStatuses ?? []),
  ];
  const resolved = new Map(statuses.map(({ name, imageID }) => [name, digestIn(imageID)]));
  const mounted = new Map(
    statuses.flatMap(({ volumeMounts = [] }) =>
      volumeMounts.map(({ name, volumeStatus }) => [name, digestIn(volumeStatus?.image?.imageRef)] as const),
    ),
  );
  return [
    ...containersOf(spec).map(({ name, image }) => useOf(image, resolved.get(name))),
    ...(spec.volumes ?? []).map(({ name, image }) => useOf(image?.reference, mounted.get(name))),
  ].filter(isNamed);
}

function usesOfSpec(spec: PodSpec): Use[] {
  const volumes = (spec.volumes ?? []).map(({ image }) => useOf(image?.reference, undefined));
  return [...containersOf(spec).map(({ image }) => useOf(image, undefined)), ...volumes].filter(isNamed);
}

function containersOf(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

function useOf(image: string | undefined, digest: string | undefined): Use {
  return { image: image ?? '', ...(digest !== undefined && { digests: [digest] }) };
}

function isNamed({ image, digests }: Use): boolean {
  return image !== '' || digests !== undefined;
}

/**
 * The digest in an `imageID`: `docker-pullable://host/repository@sha256:…`, `host/repository@sha256:…`, or `sha256:…` alone,
 * which is the digest of the image's config.
 */
export function digestIn(imageID: string | undefined): string | undefined {
  const digest = /(?:^|[@/])(sha(?:256|512):[a-f0-9]+)$/.exec(imageID ?? '')?.[1];
  return digest !== undefined && isDigest(digest) ? digest : undefined;
}
