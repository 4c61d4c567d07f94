import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { attempt, type CommandResult } from '../../e2e/cluster/command.ts';
import { HELM } from '../../e2e/cluster/programs.ts';
import { goTool } from '../../e2e/cluster/tools.ts';

export const CHART = fileURLToPath(new URL('../../../charts/ne-registry', import.meta.url));

export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

export interface Rendered {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  rules?: Rule[];
  // biome-ignore lint/suspicious/noExplicitAny: whatever the chart renders
  spec?: any;
  data?: Record<string, string>;
}

/** Values as on helm's command line (`--set`, in JSON), e.g. `{replicas: 2, 'crds.keep': false}`. */
export type Values = Readonly<Record<string, unknown>>;

/** Runs `helm VERB` on the chart with the release name `try` in the namespace `registry-system`. */
export async function helm(verb: 'template' | 'lint', values: Values = {}): Promise<CommandResult> {
  const sets = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
  const release = verb === 'template' ? ['try', CHART] : [CHART, '--strict'];
  const args = [verb, ...release, '--namespace', 'registry-system', '--kube-version', '1.34.4', ...sets];
  return await attempt(await goTool(HELM), args);
}

/** What the chart renders, as text. Throws what helm says when it refuses. */
export async function rendered(values: Values = {}): Promise<string> {
  const { code, stdout, stderr } = await helm('template', values);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** What the chart renders, parsed as strictly as YAML can be (no duplicate keys). */
export async function objects(values: Values = {}): Promise<Rendered[]> {
  return parseAllDocuments(await rendered(values), { uniqueKeys: true }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.contents === null ? [] : [document.toJS() as Rendered];
  });
}
