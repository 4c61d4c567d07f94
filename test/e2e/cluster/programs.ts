import { readFileSync } from 'node:fs';
import type { GoTool } from './tools.ts';

/** The Kubernetes that the test cluster runs. 1.34 is the last that runs on cgroup v1 without being asked to. */
const KUBERNETES_MINOR = 34;
const KUBERNETES_RELEASE = `${KUBERNETES_MINOR}.4`;
const KUBERNETES_VERSION = `v1.${KUBERNETES_RELEASE}`;
const VERSION_PACKAGES = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];

/** apiserver, controller manager, scheduler, kubelet, kube-proxy and kubectl in one binary: the first argument picks. */
export const KUBE: GoTool = {
  name: 'kube',
  module: 'k8s.io/kubernetes',
  version: KUBERNETES_VERSION,
  sources: source('kube.go'),
  replaces: { inTree: `v0.${KUBERNETES_RELEASE}` },
  ldflags: VERSION_PACKAGES.flatMap((path) => [
    `-X ${path}.gitVersion=${KUBERNETES_VERSION}`,
    `-X ${path}.gitMajor=1`,
    `-X ${path}.gitMinor=${KUBERNETES_MINOR}`,
  ]).join(' '),
};

/** CoreDNS with no more plugins than the cluster's Corefile uses. */
export const COREDNS: GoTool = {
  name: 'coredns',
  module: 'github.com/coredns/coredns',
  version: 'v1.15.0',
  sources: source('coredns.go'),
};

/** Helm 3, for the chart. */
export const HELM: GoTool = { name: 'helm', module: 'helm.sh/helm/v3', version: 'v3.22.0', package: 'cmd/helm' };

/** Kubernetes in Docker, used where a container engine runs. */
export const KIND: GoTool = { name: 'kind', module: 'sigs.k8s.io/kind', version: 'v0.33.0' };

/** The pause container and the first process of a node. */
export const PAUSE: GoTool = { name: 'pause', version: '1', sources: source('pause.go') };

/** Makes and removes the volumes of the default StorageClass. */
export const PROVISIONER: GoTool = {
  name: 'provisioner',
  module: 'k8s.io/client-go',
  version: `v0.${KUBERNETES_RELEASE}`,
  sources: source('provisioner.go'),
};

/** The program inside the small application image that tests push, pull and run. */
export const HELLO: GoTool = { name: 'hello', version: '1', sources: source('hello.go') };

function source(file: string): Readonly<Record<string, string>> {
  return { 'main.go': readFileSync(new URL(`go/${file}`, import.meta.url), 'utf8') };
}
