/**
 * The operator in this process, against a real API server, and registries as real processes: what a kubelet would do (mount
 * Secrets, start the pod, say that it is ready) is done here. Each registry has an address of its own on the loopback network.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { startControllers } from '../../../src/operator/controllers.ts';
import { inventoryMetrics } from '../../../src/operator/inventory/metrics.ts';
import type { ReporterRef } from '../../../src/operator/inventory/remote.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { decode, type Secret } from '../../../src/operator/registry/children/secret.ts';
import { mountedSecrets } from '../../../src/operator/registry/children/volumes.ts';
import { childLabels } from '../../../src/operator/registry/names.ts';
import { ports } from '../../../src/operator/registry/paths.ts';
import type { RegistryResource, RegistrySpec } from '../../../src/operator/registry/resource.ts';
import { siteOf } from '../../../src/operator/registry/site.ts';
import { runtimeMetrics } from '../../../src/operator/runtime/metrics.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { startWithDefinitions } from '../crds/server.ts';
import { type CountingClient, collectingLog, countingClient, eventually } from '../kube/setup.ts';
import { listening } from '../registry/server.ts';

export const namespace = 'default';
const program = join(import.meta.dirname, '../../../bin/ne-registry.js');
const registryKind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'Registry' } as const;
const policyKind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'RetentionPolicy' } as const;

export interface Operator {
  readonly kube: CountingClient;
  readonly log: ReturnType<typeof collectingLog>;
  stop(): Promise<void>;
}

/** A cluster without nodes, and what runs in its stead. */
export class Bed {
  readonly api: BareApiServer;
  /** What a user does. */
  readonly user: CountingClient;
  readonly #ends: (() => Promise<void> | void)[] = [];

  static async lay(): Promise<Bed> {
    return new Bed(await startWithDefinitions());
  }

  private constructor(api: BareApiServer) {
    this.api = api;
    this.user = countingClient(api);
    this.#ends.push(
      () => api.stop(),
      () => this.user.close(),
    );
  }

  operator(options: { namespaces?: string[]; reportTo?: ReporterRef[] } = {}): Operator {
    const [kube, log, ending] = [countingClient(this.api), collectingLog(), new AbortController()];
    const registry = createMetrics();
    const done = startControllers({
      client: kube.client,
      namespaces: options.namespaces ?? [],
      image: 'images.example/ne-registry:1',
      ownNamespace: namespace,
      identity: 'test',
      concurrency: 2,
      log,
      metrics: runtimeMetrics(registry),
      inventoryMetrics: inventoryMetrics(registry),
      reportTo: options.reportTo ?? [],
      signal: ending.signal,
      leads: () => !ending.signal.aborted,
    });
    const stop = async () => {
      ending.abort(new Error('stopping'));
      await done;
      kube.close();
    };
    this.#ends.push(stop);
    return { kube, log, stop };
  }

  /** Applies a Registry, and runs what the operator makes of it at this address. */
  async registry(name: string, address: string, spec: Partial<RegistrySpec> = {}): Promise<Pod> {
    const object = { ...registryKind, metadata: { name, namespace }, spec: { host: `${name}.example`, ...spec } };
    await this.user.client.apply(object as KubeObject);
    const pod = new Pod(this.user, name, address);
    this.#ends.push(() => pod.remove());
    await pod.start();
    return pod;
  }

  async applyPolicy(name: string, spec: object): Promise<void> {
    await this.user.client.apply({ ...policyKind, metadata: { name, namespace }, spec });
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever the operator wrote
  async policy(name: string): Promise<any> {
    return await this.user.client.get({ ...policyKind, name, namespace });
  }

  /** Waits for a condition of a policy: `Ready=True InForce`. */
  async condition(name: string, wanted: string, seconds = 90): Promise<{ message: string }> {
    let seen = '';
    try {
      return await found(
        `${name} ${wanted}`,
        async () => {
          const policy = await this.policy(name);
          const { conditions = [], observedGeneration } = policy?.status ?? {};
          seen = JSON.stringify(conditions);
          if (observedGeneration !== policy?.metadata.generation) return undefined;
          type Condition = { type: string; status: string; reason: string; message: string };
          return (conditions as Condition[]).find(
            ({ type, status, reason }) => wanted === `${type}=${status}` || wanted === `${type}=${status} ${reason}`,
          );
        },
        seconds,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}; conditions: ${seen}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
  }
}

/** What `look` gives once it gives something. */
export async function found<T>(what: string, look: () => Promise<T | undefined>, seconds?: number): Promise<T> {
  return (await eventually(what, look, seconds)) as T;
}

/** In one step, as a kubelet does: who reads a file that is being written finds half of it, or no users at all. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** The pod of a Registry, with the Secrets that the operator made for it. */
export class Pod {
  readonly address: string;
  readonly name: string;
  readonly log: string[] = [];
  readonly #user: CountingClient;
  readonly #folder = mkdtempSync(join(tmpdir(), 'ne-pod-'));
  #child: ChildProcess | undefined;
  #kubelet: NodeJS.Timeout | undefined;

  constructor(user: CountingClient, name: string, address: string) {
    this.#user = user;
    this.name = name;
    this.address = address;
  }

  async start(): Promise<void> {
    await eventually('the Secrets of the registry', () => this.#mount());
    clearInterval(this.#kubelet);
    this.#kubelet = setInterval(() => void this.#mount().catch(() => undefined), 500);
    const config = join(this.#folder, 'etc/ne-registry/bootstrap/config.yaml');
    this.#child = spawn(process.execPath, [program, 'serve', '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await listening(this.#child, this.log);
    const labels = childLabels(this.name);
    const container = { name: 'registry', image: 'images.example/ne-registry:1' };
    const ref = { apiVersion: 'v1', kind: 'Pod', name: `${this.name}-0`, namespace };
    await this.#user.client.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: ref.name, namespace, labels },
      spec: { containers: [container] },
    });
    const conditions = [{ type: 'Ready', status: 'True' }];
    const status = { phase: 'Running', podIP: this.address, podIPs: [{ ip: this.address }], conditions };
    await this.#user.client.patch(ref, { status }, { subresource: 'status' });
  }

  /** The process ends; the pod stays, as for the moment before a kubelet notices. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    clearInterval(this.#kubelet);
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The Secret of the Registry with this ending, decoded. */
  async secret(ending: string): Promise<Record<string, string>> {
    const name = `${this.name}-${ending}`;
    return decode(await this.#user.client.get<Secret>({ apiVersion: 'v1', kind: 'Secret', name, namespace }));
  }

  async #mount(): Promise<boolean> {
    const registry = await this.#user.client.get<RegistryResource>({ ...registryKind, name: this.name, namespace });
    if (registry === undefined) return false;
    for (const { secretName, path } of mountedSecrets(siteOf({ registry, defaultImage: 'x' }), 'registry')) {
      const ref = { apiVersion: 'v1', kind: 'Secret', name: secretName, namespace };
      const values = decode(await this.#user.client.get<Secret>(ref));
      if (Object.keys(values).length === 0) return false;
      mkdirSync(join(this.#folder, path), { recursive: true });
      for (const [key, value] of Object.entries(values)) {
        replace(join(this.#folder, path, key), key === 'config.yaml' ? this.#here(value) : value);
      }
    }
    return true;
  }

  /** The configuration with the paths and addresses that are this pod's. */
  #here(config: string): string {
    const document = parse(
      config
        .replaceAll('/etc/ne-registry/', `${this.#folder}/etc/ne-registry/`)
        .replaceAll('/var/lib/ne-registry', `${this.#folder}/data`),
    );
    document.listen = { api: `${this.address}:${ports.api}`, management: `${this.address}:${ports.management}` };
    return stringify(document);
  }
}
