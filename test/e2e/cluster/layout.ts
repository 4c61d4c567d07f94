import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Clusters are numbered from 1 to this. Each takes about 0.9 GB; tests of the project use at most two at once. */
export const MAX_CLUSTERS = 9;

/** The bridge that the nodes and this machine share. */
export const BRIDGE = { name: 'ne-registry0', address: '10.213.77.1', prefix: 24 } as const;

/** The path of containerd's host configuration as pods and kubelet on a node see it, as on kind's nodes. */
export const NODE_CERTS_DIR = '/etc/containerd/certs.d';

export const DNS_SERVICE_IP = '10.96.0.10';
export const SERVICE_RANGE = '10.96.0.0/16';

/** Where everything of one cluster is, by its number. */
export interface Layout {
  readonly number: number;
  /** The state folder; short, because unix socket paths end at 108 bytes. */
  readonly dir: string;
  readonly nodeName: string;
  readonly nodeIP: string;
  readonly podRange: string;
  readonly netns: string;
  readonly veth: string;
  /** Name of the cgroup below which kubelet makes those of the pods. */
  readonly cgroup: string;
  readonly kubeconfig: string;
  readonly containerdSocket: string;
  /** This machine's view of the node's NODE_CERTS_DIR. */
  readonly certsDir: string;
  readonly auditLog: string;
  readonly logs: string;
  readonly pki: string;
  readonly volumes: string;
}

/** The folder below which each cluster has its state folder: `$NE_CLUSTER_STATE`, or one below the system's `/var/tmp`. */
export function stateRoot(): string {
  const fallback = tmpdir() === '/tmp' ? '/var/tmp' : tmpdir();
  const root = process.env.NE_CLUSTER_STATE || join(fallback, 'ne-registry-cluster');
  if (root.length > 60)
    throw new Error(`NE_CLUSTER_STATE is too long for unix sockets below it (60 characters): ${root}`);
  return root;
}

/** The layout of cluster `number`, which is from 1 to MAX_CLUSTERS. */
export function layout(number: number): Layout {
  if (!Number.isInteger(number) || number < 1 || number > MAX_CLUSTERS) {
    throw new Error(`there is no cluster ${number}: choose a number from 1 to ${MAX_CLUSTERS}`);
  }
  const dir = join(stateRoot(), `c${number}`);
  return {
    number,
    dir,
    nodeName: `node${number}`,
    nodeIP: `10.213.77.${10 + number}`,
    podRange: `10.213.${100 + number}.0/24`,
    netns: `ne-registry-${number}`,
    veth: `ne-registry-v${number}`,
    cgroup: `ne-registry-${number}`,
    kubeconfig: join(dir, 'admin.kubeconfig'),
    containerdSocket: join(dir, 'containerd.sock'),
    certsDir: join(dir, 'certs.d'),
    auditLog: join(dir, 'log', 'audit.log'),
    logs: join(dir, 'log'),
    pki: join(dir, 'pki'),
    volumes: join(dir, 'volumes'),
  };
}
