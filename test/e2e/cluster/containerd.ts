import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, run } from './command.ts';
import { type Layout, NODE_CERTS_DIR } from './layout.ts';
import { startInNode } from './node.ts';

/** Starts containerd in the node; it answers on the layout's socket, on this machine too. */
export async function startContainerd(at: Layout, pauseImage: string): Promise<void> {
  await mkdir(join(at.dir, 'cni'), { recursive: true });
  await writeFile(join(at.dir, 'containerd.toml'), configuration(at, pauseImage));
  await writeFile(join(at.dir, 'cni', '10-bridge.conflist'), JSON.stringify(podNetwork(at), null, 2));
  await startInNode(at, 'containerd', ['containerd', '-c', join(at.dir, 'containerd.toml')]);
  const end = Date.now() + 120_000;
  while ((await attempt('ctr', ['-a', at.containerdSocket, 'version'])).code !== 0) {
    if (Date.now() > end) throw new Error(`containerd does not answer: see ${join(at.logs, 'containerd.log')}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Imports a docker-archive or an OCI archive where kubelet looks for images. */
export async function importImage(at: Layout, archive: string): Promise<void> {
  await run('ctr', ['-a', at.containerdSocket, '-n', 'k8s.io', 'images', 'import', archive]);
}

function configuration(at: Layout, pauseImage: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = "${at.dir}/containerd/root"
state = "/run/containerd"
[grpc]
  address = "${at.containerdSocket}"
[${cri}]
  sandbox_image = "${pauseImage}"
  # Without CAP_SYS_RESOURCE no process can be given a lower score than ours, and no sandbox would start.
  restrict_oom_score_adj = true
  [${cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${at.dir}/cni"
  [${cri}.registry]
    config_path = "${NODE_CERTS_DIR}"
`;
}

function podNetwork(at: Layout): object {
  const ipam = {
    type: 'host-local',
    dataDir: '/run/cni-ipam',
    ranges: [[{ subnet: at.podRange }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: true, hairpinMode: true, ipam };
  const portmap = { type: 'portmap', capabilities: { portMappings: true } };
  return { cniVersion: '0.4.0', name: 'pods', plugins: [bridge, portmap] };
}
