import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { ensure, eventually, kubectl, Obstacle, read, type Wanted } from './ask.ts';
import type { Target } from './target.ts';

const SAMPLE = fileURLToPath(new URL('../../../config/samples/registry.yaml', import.meta.url));

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

export interface Registry extends Wanted {
  readonly metadata: { readonly name: string; readonly namespace: string; generation?: number };
  readonly spec: { readonly host: string };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
    readonly url?: string;
    readonly caBundle?: string;
    readonly adminSecretName?: string;
  };
}

export interface Administrator {
  readonly username: string;
  readonly password: string;
}

/** The objects of config/samples/registry.yaml. */
export async function sample(): Promise<{ objects: readonly Wanted[]; registry: Registry }> {
  const documents = parseAllDocuments(await readFile(SAMPLE, 'utf8'));
  const objects = documents.map((document) => document.toJS() as Wanted);
  const registry = objects.find(({ kind }) => kind === 'Registry');
  if (registry === undefined) throw new Error(`${SAMPLE} holds no Registry`);
  return { objects, registry: registry as Registry };
}

/** Applies the sample unless it is there already; gives whether it did anything. */
export async function applySample(on: Target): Promise<boolean> {
  return await ensure(on, (await sample()).objects);
}

/**
 * Waits until the Registry is Ready and its pods run `image`, and tells `say` each new message of its condition
 * meanwhile. An Obstacle has the last message.
 */
export async function registryIsReady(on: Target, image: string, say: (line: string) => void): Promise<Registry> {
  const { metadata } = (await sample()).registry;
  let last = '';
  const ready = await eventually(300, async () => {
    const registry = await read<Registry>(on, `registries.ne-registry.io/${metadata.name}`, metadata.namespace);
    if (registry !== undefined && isReady(registry) && (await runsImage(on, registry, image))) return registry;
    const condition = readyCondition(registry);
    const said = condition === undefined ? 'waits for the operator' : `${condition.reason}: ${condition.message}`;
    if (said !== last) say(said);
    last = said;
    return undefined;
  });
  if (ready !== undefined) return ready;
  const events = await on.kubectl(['get', 'events', '-n', metadata.namespace, '--sort-by=.lastTimestamp']);
  throw new Obstacle(`The Registry is not Ready after five minutes: ${last}\n${events.stdout}`);
}

function readyCondition(registry: Registry | undefined): Condition | undefined {
  return registry?.status?.conditions?.find(({ type }) => type === 'Ready');
}

function isReady(registry: Registry): boolean {
  const current = registry.status?.observedGeneration === registry.metadata.generation;
  return current && readyCondition(registry)?.status === 'True';
}

/** A new operator brings a new image, and until it has looked at the Registry the status is still the old one's. */
async function runsImage(on: Target, { metadata }: Registry, image: string): Promise<boolean> {
  interface Workload {
    spec: { replicas: number; template: { spec: { containers: { image: string }[] } } };
    status?: { updatedReplicas?: number; readyReplicas?: number };
  }
  const workload = await read<Workload>(on, `statefulsets.apps/${metadata.name}`, metadata.namespace);
  const { spec, status } = workload ?? {};
  return (
    spec?.template.spec.containers[0]?.image === image &&
    status?.updatedReplicas === spec.replicas &&
    status.readyReplicas === spec.replicas
  );
}

/** The first administrator, from the Secret that the status names. */
export async function administrator(on: Target, { metadata, status }: Registry): Promise<Administrator> {
  const name = status?.adminSecretName;
  if (name === undefined) throw new Obstacle(`Registry ${metadata.name} names no administrator's Secret in its status`);
  const secret = await read<{ data: Record<string, string> }>(on, `secret/${name}`, metadata.namespace);
  const field = (key: string) => Buffer.from(secret?.data[key] ?? '', 'base64').toString();
  return { username: field('username'), password: field('password') };
}

/** Deletes the Registry, and its namespace with the volume in it. */
export async function removeSample(on: Target): Promise<void> {
  const { registry, objects } = await sample();
  const kind = 'registries.ne-registry.io';
  if ((await on.kubectl(['get', 'crd', kind])).code === 0) {
    await kubectl(on, [
      'delete',
      kind,
      registry.metadata.name,
      '-n',
      registry.metadata.namespace,
      '--ignore-not-found',
      '--wait',
    ]);
  }
  for (const { kind: other, metadata } of objects) {
    if (other === 'Namespace')
      await kubectl(on, ['delete', 'namespace', metadata.name, '--ignore-not-found', '--wait']);
  }
}
