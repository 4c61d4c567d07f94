import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt } from './command.ts';
import { type Layout, SERVICE_RANGE } from './layout.ts';
import { startInNode } from './node.ts';

const ETCD = 'http://127.0.0.1:2379';

/** Writes of every client, one line each when answered, without bodies; reads are left out, they are many. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'None', verbs: ['get', 'list', 'watch'] }, { level: 'Metadata' }],
};

/** Starts etcd and the API server in the node and waits until it is ready; `kube` is the path of the programs. */
export async function startApiServer(at: Layout, kube: string): Promise<void> {
  await writeFile(join(at.dir, 'audit-policy.json'), JSON.stringify(AUDIT_POLICY));
  await startInNode(at, 'etcd', [
    'etcd',
    `--data-dir=${at.dir}/etcd`,
    `--listen-client-urls=${ETCD}`,
    `--advertise-client-urls=${ETCD}`,
    '--listen-peer-urls=http://127.0.0.1:2380',
    // The cluster's state dies with the test; waiting for the disk would only slow it down.
    '--unsafe-no-fsync',
  ]);
  await startInNode(at, 'kube-apiserver', [kube, 'kube-apiserver', ...apiServerFlags(at)]);
  await apiServerReady(at, kube);
}

/** Starts the programs that act on the API server's objects. */
export async function startControllers(at: Layout, kube: string): Promise<void> {
  const pki = (file: string) => join(at.pki, file);
  await startInNode(at, 'kube-controller-manager', [
    kube,
    'kube-controller-manager',
    `--kubeconfig=${pki('controller-manager.kubeconfig')}`,
    `--service-account-private-key-file=${pki('sa.key')}`,
    `--root-ca-file=${pki('ca.crt')}`,
    `--cluster-signing-cert-file=${pki('ca.crt')}`,
    `--cluster-signing-key-file=${pki('ca.key')}`,
    '--use-service-account-credentials',
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ]);
  await startInNode(at, 'kube-scheduler', [
    kube,
    'kube-scheduler',
    `--kubeconfig=${pki('scheduler.kubeconfig')}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ]);
}

function apiServerFlags(at: Layout): readonly string[] {
  const pki = (file: string) => join(at.pki, file);
  return [
    `--etcd-servers=${ETCD}`,
    '--secure-port=6443',
    `--advertise-address=${at.nodeIP}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    `--client-ca-file=${pki('ca.crt')}`,
    `--tls-cert-file=${pki('apiserver.crt')}`,
    `--tls-private-key-file=${pki('apiserver.key')}`,
    `--service-account-key-file=${pki('sa.key')}`,
    `--service-account-signing-key-file=${pki('sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged',
    `--kubelet-client-certificate=${pki('admin.crt')}`,
    `--kubelet-client-key=${pki('admin.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--audit-policy-file=${at.dir}/audit-policy.json`,
    `--audit-log-path=${at.auditLog}`,
    '--audit-log-maxsize=50',
    '--audit-log-maxbackup=2',
  ];
}

async function apiServerReady(at: Layout, kube: string): Promise<void> {
  const started = Date.now();
  for (;;) {
    const answer = await attempt(kube, [
      'kubectl',
      '--kubeconfig',
      at.kubeconfig,
      'get',
      '--raw',
      '/readyz',
      '--request-timeout=5s',
    ]);
    if (answer.code === 0) return;
    if (Date.now() - started > 120_000) {
      throw new Error(
        `the API server does not become ready: see ${join(at.logs, 'kube-apiserver.log')}\n${answer.stderr}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
