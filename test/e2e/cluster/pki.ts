import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import type { Layout } from './layout.ts';

const DAYS = '30';

interface Subject {
  readonly name: string;
  /** As OpenSSL writes it: `/O=system:masters/CN=admin`. */
  readonly subject: string;
  /** As OpenSSL writes it: `DNS:a,IP:1.2.3.4`. */
  readonly altNames: string;
}

/** Makes a certificate authority for one cluster, the certificates of its programs, and their kubeconfigs. */
export async function createPki(at: Layout): Promise<void> {
  await mkdir(at.pki, { recursive: true, mode: 0o700 });
  await openssl(at, [
    'req',
    '-x509',
    ...newKey('ca'),
    '-out',
    'ca.crt',
    '-days',
    DAYS,
    '-subj',
    '/CN=ne-registry test cluster',
  ]);
  await Promise.all([
    openssl(at, ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'sa.key']),
    ...subjects(at).map((subject) => issue(at, subject)),
  ]);
  await Promise.all(
    ['admin', 'kubelet', 'controller-manager', 'scheduler', 'proxy'].map((user) => writeKubeconfig(at, user)),
  );
  await copyFile(join(at.pki, 'admin.kubeconfig'), at.kubeconfig);
}

function subjects(at: Layout): readonly Subject[] {
  const service = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ];
  const server = [...service.map((name) => `DNS:${name}`), 'IP:127.0.0.1', 'IP:10.96.0.1', `IP:${at.nodeIP}`].join(',');
  return [
    { name: 'apiserver', subject: '/CN=kube-apiserver', altNames: server },
    { name: 'admin', subject: '/O=system:masters/CN=admin', altNames: 'DNS:admin' },
    { name: 'kubelet', subject: `/O=system:nodes/CN=system:node:${at.nodeName}`, altNames: `DNS:${at.nodeName}` },
    { name: 'controller-manager', subject: '/CN=system:kube-controller-manager', altNames: 'DNS:controller-manager' },
    { name: 'scheduler', subject: '/CN=system:kube-scheduler', altNames: 'DNS:scheduler' },
    { name: 'proxy', subject: '/CN=system:kube-proxy', altNames: 'DNS:proxy' },
  ];
}

async function issue(at: Layout, { name, subject, altNames }: Subject): Promise<void> {
  const ca = ['-CA', 'ca.crt', '-CAkey', 'ca.key'];
  const use = ['-addext', `subjectAltName=${altNames}`, '-addext', 'basicConstraints=critical,CA:FALSE'];
  await openssl(at, [
    'req',
    '-x509',
    ...ca,
    ...newKey(name),
    '-out',
    `${name}.crt`,
    '-days',
    DAYS,
    '-subj',
    subject,
    ...use,
  ]);
}

function newKey(name: string): readonly string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
}

async function writeKubeconfig(at: Layout, user: string): Promise<void> {
  const base64 = async (file: string) => (await readFile(join(at.pki, file))).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user } }],
    clusters: [
      {
        name: 'test',
        cluster: { server: `https://${at.nodeIP}:6443`, 'certificate-authority-data': await base64('ca.crt') },
      },
    ],
    users: [
      {
        name: user,
        user: {
          'client-certificate-data': await base64(`${user}.crt`),
          'client-key-data': await base64(`${user}.key`),
        },
      },
    ],
  };
  await writeFile(join(at.pki, `${user}.kubeconfig`), JSON.stringify(config, null, 2), { mode: 0o600 });
}

async function openssl(at: Layout, args: readonly string[]): Promise<void> {
  await run('openssl', args, { cwd: at.pki });
}
