import { type GoTool, goTool } from './tools.ts';

/** The Kubernetes that the test cluster runs. 1.34 is the last that runs on cgroup v1 without being asked to. */
export const KUBERNETES_MINOR = 34;
const KUBERNETES_PATCH = `${KUBERNETES_MINOR}.4`;
export const KUBERNETES_VERSION = `v1.${KUBERNETES_PATCH}`;

const KUBE_MAIN = `// One binary, several Kubernetes programs: its own name or the first argument picks one.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          func() *cobra.Command { return apiserver.NewAPIServerCommand() },
	"kube-controller-manager": kcm.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              proxy.NewProxyCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	if name != "kubectl" && programs[name] == nil {
		if len(os.Args) < 2 {
			fmt.Fprintln(os.Stderr, "usage: kube PROGRAM [flags]")
			os.Exit(2)
		}
		name = os.Args[1]
		os.Args = append([]string{name}, os.Args[2:]...)
	}
	if name == "kubectl" {
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
		return
	}
	program := programs[name]
	if program == nil {
		fmt.Fprintln(os.Stderr, "unknown program", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(program()))
}
`;

const VERSION_PACKAGES = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];

/** apiserver, controller manager, scheduler, kubelet, kube-proxy and kubectl in one binary: the first argument picks. */
export const KUBE: GoTool = {
  name: 'kube',
  module: 'k8s.io/kubernetes',
  version: KUBERNETES_VERSION,
  sources: { 'main.go': KUBE_MAIN },
  replaces: { inTree: `v0.${KUBERNETES_PATCH}` },
  ldflags: VERSION_PACKAGES.flatMap((path) => [
    `-X ${path}.gitVersion=${KUBERNETES_VERSION}`,
    `-X ${path}.gitMajor=1`,
    `-X ${path}.gitMinor=${KUBERNETES_MINOR}`,
  ]).join(' '),
};

const COREDNS_PLUGINS = [
  'cache',
  'errors',
  'forward',
  'health',
  'hosts',
  'kubernetes',
  'log',
  'ready',
  'reload',
  'whoami',
];

/** CoreDNS with no more plugins than the cluster's Corefile uses. */
export const COREDNS: GoTool = {
  name: 'coredns',
  module: 'github.com/coredns/coredns',
  version: 'v1.15.0',
  sources: {
    'main.go': [
      'package main',
      'import (',
      '\t"github.com/coredns/coredns/core/dnsserver"',
      '\t"github.com/coredns/coredns/coremain"',
      ...COREDNS_PLUGINS.map((plugin) => `\t_ "github.com/coredns/coredns/plugin/${plugin}"`),
      ')',
      '// The order is the order in which a query passes through the plugins.',
      'func init() { dnsserver.Directives = []string{"reload", "ready", "health", "errors", "log", "cache", "hosts", "kubernetes", "forward", "whoami"} }',
      'func main() { coremain.Run() }',
      '',
    ].join('\n'),
  },
};

/** Helm 3, for the chart. */
export const HELM: GoTool = { name: 'helm', module: 'helm.sh/helm/v3', version: 'v3.22.0', package: 'cmd/helm' };

export async function kubePrograms(): Promise<string> {
  return await goTool(KUBE);
}
