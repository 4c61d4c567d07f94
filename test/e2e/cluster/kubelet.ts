import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DNS_SERVICE_IP, type Layout } from './layout.ts';
import { startInNode } from './node.ts';

/** Starts kubelet and kube-proxy in the node. */
export async function startKubelet(at: Layout, kube: string): Promise<void> {
  await mkdir(join(at.dir, 'kubelet'), { recursive: true });
  await writeFile(join(at.dir, 'kubelet.json'), JSON.stringify(kubeletConfiguration(at), null, 2));
  await writeFile(join(at.dir, 'proxy.json'), JSON.stringify(proxyConfiguration(at), null, 2));
  await startInNode(at, 'kubelet', [
    kube,
    'kubelet',
    `--config=${at.dir}/kubelet.json`,
    `--kubeconfig=${join(at.pki, 'kubelet.kubeconfig')}`,
    `--root-dir=${at.dir}/kubelet`,
    `--cert-dir=${at.dir}/kubelet/pki`,
    `--hostname-override=${at.nodeName}`,
    `--node-ip=${at.nodeIP}`,
  ]);
  await startInNode(at, 'kube-proxy', [kube, 'kube-proxy', `--config=${at.dir}/proxy.json`]);
}

function kubeletConfiguration(at: Layout): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(at.pki, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${at.cgroup}`,
    containerRuntimeEndpoint: `unix://${at.containerdSocket}`,
    clusterDNS: [DNS_SERVICE_IP],
    clusterDomain: 'cluster.local',
    resolvConf: join(at.dir, 'resolv.conf'),
    failSwapOn: false,
    // The state folder is on the machine's own disk, which holds other things too: its fill level is not the node's.
    localStorageCapacityIsolation: false,
    evictionHard: { 'memory.available': '100Mi' },
    imageGCHighThresholdPercent: 100,
    imageMinimumGCAge: '24h',
    oomScoreAdj: 0,
    podLogsDir: join(at.dir, 'log', 'pods'),
    volumePluginDir: join(at.dir, 'kubelet', 'plugins'),
    syncFrequency: '10s',
    // Mounted ConfigMaps and Secrets change within seconds, so that tests of reloading need not wait for a minute.
    configMapAndSecretChangeDetectionStrategy: 'Watch',
  };
}

function proxyConfiguration(at: Layout): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: join(at.pki, 'proxy.kubeconfig') },
    hostnameOverride: at.nodeName,
    // Without this, kube-proxy that starts before the node has registered opens no node port at all.
    nodePortAddresses: ['0.0.0.0/0'],
    conntrack: { maxPerCore: 0 },
  };
}
