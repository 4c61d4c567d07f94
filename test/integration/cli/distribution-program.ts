import { type GoTool, goTool } from '../../e2e/cluster/tools.ts';

/** The registry of the CNCF distribution project: what most people run today, and so the peer to agree with. */
const DISTRIBUTION: GoTool = {
  name: 'registry',
  module: 'github.com/distribution/distribution/v3',
  version: 'v3.1.2',
  package: 'cmd/registry',
};

/** The path of its program. */
export async function distributionProgram(): Promise<string> {
  return await goTool(DISTRIBUTION);
}
