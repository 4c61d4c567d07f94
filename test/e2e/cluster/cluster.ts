import { join } from 'node:path';
import { attempt, CommandError, type CommandOptions, type CommandResult } from './command.ts';
import type { Layout } from './layout.ts';

/** A running test cluster; the same to its user whether kind runs it or we do. */
export interface Cluster {
  readonly number: number;
  readonly engine: 'kind' | 'built';
  /** Path of a kubeconfig with all rights. */
  readonly kubeconfig: string;
  /** Address of the one node, reachable from this machine: node ports are open on it. */
  readonly nodeIP: string;
  readonly nodeName: string;
  /** Path on the node of containerd's host configuration (`config_path`), for a hostPath volume. */
  readonly certsDir: string;
  /** The API server's audit log of writes, a path on this machine; see audit.ts. */
  readonly auditLog: string;
  /** Programs on this machine: a folder with `kubectl`, to put on PATH. */
  readonly binDir: string;
  /** Runs kubectl against the cluster and gives its standard output; throws CommandError with what it said. */
  kubectl(args: readonly string[], options?: CommandOptions): Promise<string>;
  /** As kubectl, whatever the exit code. */
  tryKubectl(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Imports a docker-archive or an OCI archive into the node's container runtime. */
  loadImage(archive: string): Promise<void>;
  /** Removes the cluster and everything that belongs to it. */
  down(): Promise<void>;
}

/** Applies objects with server-side apply, as the field manager `test-cluster`. */
export async function apply(cluster: Pick<Cluster, 'kubectl'>, objects: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await cluster.kubectl(['apply', '--server-side', '--field-manager=test-cluster', '-f', '-'], { input });
}

/** Runs a kubectl command again and again until it succeeds; gives the last error when time is over. */
export async function eventually(
  cluster: Pick<Cluster, 'kubectl'>,
  args: readonly string[],
  seconds: number,
): Promise<string> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await cluster.kubectl(args);
    } catch (error) {
      if (!(error instanceof CommandError) || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** The two ways to call kubectl; `kube` is the path of the Kubernetes programs. */
export function kubectlOf(kube: string, at: Layout): Pick<Cluster, 'kubectl' | 'tryKubectl'> {
  // What kubectl learned about an earlier cluster at this address would hide the CRDs of this one.
  const flags = ['--kubeconfig', at.kubeconfig, '--cache-dir', join(at.dir, 'kubecache')];
  const once: Cluster['tryKubectl'] = (args, options) => attempt(kube, ['kubectl', ...flags, ...args], options);
  const tryKubectl: Cluster['tryKubectl'] = async (args, options) => {
    if (args[0] !== 'get') return await once(args, options);
    // A question that is not answered in a minute is asked again: on a busy machine one of many thousands never was.
    for (let tries = 1; ; tries++) {
      const result = await once(args, { timeoutMs: 60_000, ...options });
      if (tries === 3 || !result.stderr.endsWith('killed by SIGKILL')) return result;
    }
  };
  return {
    tryKubectl,
    kubectl: async (args, options) => {
      const result = await tryKubectl(args, options);
      if (result.code !== 0) throw new CommandError(`kubectl ${args.join(' ')}`, result);
      return result.stdout;
    },
  };
}
