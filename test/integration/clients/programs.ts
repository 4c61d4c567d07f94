import { ensurePackages } from '../../e2e/cluster/packages.ts';
import { type GoTool, goTool } from '../../e2e/cluster/tools.ts';

/** The clients that people use, at exact versions, from the Go module proxy. */
const crane: GoTool = {
  name: 'crane',
  module: 'github.com/google/go-containerregistry',
  version: 'v0.22.1',
  package: 'cmd/crane',
};
const regctl: GoTool = {
  name: 'regctl',
  module: 'github.com/regclient/regclient',
  version: 'v0.11.7',
  package: 'cmd/regctl',
};
const notation: GoTool = {
  name: 'notation',
  module: 'github.com/notaryproject/notation',
  version: 'v1.3.2',
  package: 'cmd/notation',
};

export interface Clients {
  readonly crane: string;
  readonly regctl: string;
  readonly notation: string;
}

/** Builds the Go clients and installs Debian's (skopeo, buildah, podman); answers where the former are. */
export async function installClients(): Promise<Clients> {
  await ensurePackages(['skopeo', 'buildah', 'podman']);
  return { crane: await goTool(crane), regctl: await goTool(regctl), notation: await goTool(notation) };
}
