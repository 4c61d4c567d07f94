import { KubeError } from './error.ts';
import type { KindRef } from './object.ts';
import type { Transport } from './transport.ts';

interface Resource {
  plural: string;
  namespaced: boolean;
}

interface ResourceList {
  resources: { name: string; kind: string; namespaced: boolean }[];
}

const MISSING_FOR_MS = 5_000;

/** Which path each kind has, asked of the API server once per API group version. */
export class Discovery {
  readonly #transport: Transport;
  readonly #known = new Map<string, Resource>();
  readonly #missing = new Map<string, number>();
  readonly #asking = new Map<string, Promise<void>>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The path of a kind's collection, or of one object; throws KubeError KindNotServed. */
  async path(kind: KindRef, at: { namespace?: string | undefined; name?: string | undefined }): Promise<string> {
    const resource = await this.#find(kind);
    if (resource === undefined) {
      throw new KubeError({
        status: 404,
        reason: 'KindNotServed',
        message: `the API server does not know ${kind.kind} of ${kind.apiVersion}: is its CRD installed?`,
      });
    }
    const inNamespace = resource.namespaced && at.namespace !== undefined;
    return [
      root(kind.apiVersion),
      ...(inNamespace ? ['namespaces', encodeURIComponent(at.namespace ?? '')] : []),
      resource.plural,
      ...(at.name === undefined ? [] : [encodeURIComponent(at.name)]),
    ].join('/');
  }

  async serves(kind: KindRef): Promise<boolean> {
    return (await this.#find(kind)) !== undefined;
  }

  /** Forgets a kind, because its path answered that it does not exist. */
  forget(kind: KindRef): void {
    this.#known.delete(key(kind));
  }

  async #find(kind: KindRef): Promise<Resource | undefined> {
    const known = this.#known.get(key(kind));
    if (known !== undefined) return known;
    const missingSince = this.#missing.get(key(kind));
    if (missingSince !== undefined && Date.now() - missingSince < MISSING_FOR_MS) return undefined;
    await this.#askOnce(kind.apiVersion);
    const found = this.#known.get(key(kind));
    if (found === undefined) this.#missing.set(key(kind), Date.now());
    else this.#missing.delete(key(kind));
    return found;
  }

  #askOnce(apiVersion: string): Promise<void> {
    const running = this.#asking.get(apiVersion);
    if (running !== undefined) return running;
    const asking = this.#ask(apiVersion).finally(() => this.#asking.delete(apiVersion));
    this.#asking.set(apiVersion, asking);
    return asking;
  }

  async #ask(apiVersion: string): Promise<void> {
    try {
      const list = await this.#transport.send<ResourceList>({ method: 'GET', path: root(apiVersion) });
      for (const { name, kind, namespaced } of list.resources) {
        if (!name.includes('/')) this.#known.set(key({ apiVersion, kind }), { plural: name, namespaced });
      }
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 404)) throw error;
    }
  }
}

function root(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function key(kind: KindRef): string {
  return `${kind.apiVersion}/${kind.kind}`;
}
