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
 * Waits until the Registry is Ready and tells `say` each new message of its condition meanwhile. An Obstacle has the
 * last message.
 */
export async function registryIsReady(on: Target, say: (line: string) => void): Promise<Registry> {
  const { metadata } = (await sample()).registry;
  let last = '';
  const ready = await eventually(180, async () => {
    const registry = await read<Registry>(on, `registries.ne-registry.io/${metadata.name}`, metadata.namespace);
    const condition = registry?.status?.conditions?.find(({ type }) => type === 'Ready');
    const said = condition === undefined ? 'waits for the operator' : `${condition.reason}: ${condition.message}`;
    const current = registry?.status?.observedGeneration === registry?.metadata.generation;
    if (registry !== undefined && current && condition?.status === 'True') return registry;
    if (said !== last) say(said);
    last = said;
    return undefined;
  });
  if (ready !== undefined) return ready;
  const events = await on.kubectl(['get', 'events', '-n', metadata.namespace, '--sort-by=.lastTimestamp']);
  throw new Obstacle(`The Registry is not Ready after three minutes: ${last}\n${events.stdout}`);
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
