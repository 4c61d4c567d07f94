import { accessSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
// The package's front door costs 120 MB of memory; this door alone leads to configuration and authentication.
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Where the API server is and how to be let in. Takes from client-node the configuration and authentication alone. */
export class Connection {
  readonly #load: () => KubeConfig;
  #config: KubeConfig;
  #loadedAt = Date.now();

  /** `load` is called again when the API server no longer accepts what the configuration gave (rotated files). */
  constructor(load: () => KubeConfig) {
    this.#load = load;
    this.#config = load();
    this.server();
  }

  /** The API server's address. Throws when the configuration names none, or one without TLS. */
  server(): URL {
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) {
      throw new Error(`the kubeconfig's current context "${this.#config.getCurrentContext()}" names no cluster`);
    }
    const url = new URL(cluster.server);
    if (url.protocol !== 'https:')
      throw new Error(`${cluster.server} is not https: the API server is only spoken to over TLS`);
    return url;
  }

  /** The namespace that the current context names: in a pod, its own. */
  namespace(): string | undefined {
    const namespace = this.#config.getContextObject(this.#config.getCurrentContext())?.namespace?.trim();
    return namespace === '' ? undefined : namespace;
  }

  /**
   * TLS material, headers and, behind a proxy, the agent for one request. Certificate files are read anew each time,
   * token files once a minute, exec plugins when their token has expired.
   */
  async requestOptions(): Promise<RequestOptions> {
    const options: RequestOptions = { headers: {} };
    await this.#config.applyToHTTPSOptions(options);
    // Its own agent holds the first certificate for ever; only a proxy needs it.
    if (this.#config.getCurrentCluster()?.proxyUrl === undefined) delete options.agent;
    return options;
  }

  /** Reads the configuration again, unless that was done in the last so many milliseconds. Tells whether it did. */
  reload(pauseMs: number): boolean {
    if (Date.now() - this.#loadedAt < pauseMs) return false;
    this.#loadedAt = Date.now();
    this.#config = this.#load();
    return true;
  }
}

/** The connection that $KUBECONFIG, the pod's service account, or ~/.kube/config describes, in this order. */
export function defaultConnection(env: NodeJS.ProcessEnv): Connection {
  return new Connection(() => loadDefault(env));
}

function loadDefault(env: NodeJS.ProcessEnv): KubeConfig {
  const config = new KubeConfig();
  if (!env.KUBECONFIG && env.KUBERNETES_SERVICE_HOST && isReadable(SERVICE_ACCOUNT_TOKEN)) {
    config.loadFromCluster();
    return config;
  }
  config.loadFromDefault();
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('no cluster to talk to: set KUBECONFIG, or run in a pod with a service account token');
  }
  return config;
}

function isReadable(file: string): boolean {
  try {
    accessSync(file);
    return true;
  } catch {
    return false;
  }
}
