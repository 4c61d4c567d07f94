import { DNS_SERVICE_IP } from './layout.ts';

const NAMESPACE = 'kube-system';
const LABELS = { 'k8s-app': 'kube-dns' };
const PORT = 1053;

/** Names of the cluster, and those that a test adds to the `hosts` file in the ConfigMap; nothing of the outside. */
const COREFILE = `.:${PORT} {
    errors
    health :8080
    ready :8181
    cache 5
    hosts /etc/coredns/hosts {
        reload 2s
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
}
`;

/** The objects that make cluster DNS, as kubeadm lays them out: Service kube-dns, Deployment and ConfigMap coredns. */
export function dnsObjects(image: string): readonly object[] {
  const metadata = { name: 'coredns', namespace: NAMESPACE, labels: LABELS };
  const rules = [
    { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  ];
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns' };
  const port = (name: string, protocol: string) => ({ name, port: 53, targetPort: PORT, protocol });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { Corefile: COREFILE, hosts: '' } },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: role.name }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: role.name },
      roleRef: role,
      subjects: [{ kind: 'ServiceAccount', name: 'coredns', namespace: NAMESPACE }],
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, name: 'kube-dns' },
      spec: { clusterIP: DNS_SERVICE_IP, selector: LABELS, ports: [port('dns', 'UDP'), port('dns-tcp', 'TCP')] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: LABELS },
        template: { metadata: { labels: LABELS }, spec: podSpec(image) },
      },
    },
  ];
}

function podSpec(image: string): object {
  return {
    serviceAccountName: 'coredns',
    priorityClassName: 'system-cluster-critical',
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
    volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
    containers: [
      {
        name: 'coredns',
        image,
        imagePullPolicy: 'Never',
        args: ['-conf', '/etc/coredns/Corefile'],
        resources: { requests: { cpu: '10m', memory: '30Mi' }, limits: { memory: '170Mi' } },
        volumeMounts: [{ name: 'config', mountPath: '/etc/coredns', readOnly: true }],
        readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      },
    ],
  };
}
