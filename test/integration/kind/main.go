// Loads a kind configuration as kind does, validates it, applies its containerd patches to the configuration that
// kind's node image ships, and prints what came out as JSON. Arguments: the configuration, the node image's config.toml.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/internal/apis/config"
	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
	"sigs.k8s.io/kind/pkg/internal/patch"
)

type report struct {
	Name       string
	Nodes      []config.Node
	Containerd string
}

func main() {
	out, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(out)
}

func check(file, containerdFile string) (*report, error) {
	cluster, err := encoding.Load(file)
	if err != nil {
		return nil, err
	}
	if err := cluster.Validate(); err != nil {
		return nil, err
	}
	base, err := os.ReadFile(containerdFile)
	if err != nil {
		return nil, err
	}
	patched, err := patch.ContainerdTOML(string(base), cluster.ContainerdConfigPatches, cluster.ContainerdConfigPatchesJSON6902)
	if err != nil {
		return nil, err
	}
	return &report{cluster.Name, cluster.Nodes, patched}, nil
}
