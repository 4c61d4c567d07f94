/**
 * Writes the chart's copy of the custom resource definitions: `crds/*.yaml` is the truth, `charts/ne-registry/templates/
 * crds/*.yaml` follows from it. Usage: `node build/chart.ts`; a test fails where they differ.
 *
 * They are templates because Helm never upgrades what lies in a chart's own `crds/` folder, and copies because Argo CD
 * refuses links. They are text, not `.Files.Get | fromYaml | toYaml`, since Helm turns large numbers into floats there.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TEMPLATES = join(ROOT, 'charts/ne-registry/templates/crds');

interface Definition {
  apiVersion: string;
  kind: string;
  metadata: { name: string; annotations?: Record<string, string>; labels?: Record<string, string> };
  spec: unknown;
}

/** What the folder of templates should hold: file name to content. */
export async function chartDefinitions(): Promise<Map<string, string>> {
  const files = (await readdir(join(ROOT, 'crds'))).filter((name) => name.endsWith('.yaml')).sort();
  const wanted = new Map<string, string>();
  for (const file of files) wanted.set(file, template(await readFile(join(ROOT, 'crds', file), 'utf8'), file));
  return wanted;
}

/** What it holds now. */
export async function currentDefinitions(): Promise<Map<string, string>> {
  const files = await readdir(TEMPLATES).catch(() => []);
  const found = new Map<string, string>();
  for (const file of files.sort()) found.set(file, await readFile(join(TEMPLATES, file), 'utf8'));
  return found;
}

function template(source: string, file: string): string {
  const { apiVersion, kind, metadata, spec } = parse(source) as Definition;
  const others = stringify({ spec }, { lineWidth: 0, aliasDuplicateObjects: false });
  const lines = [
    `{{- /* Made from crds/${basename(file)} by build/chart.ts: change it there. */ -}}`,
    '{{- if .Values.crds.enabled }}',
    `apiVersion: ${apiVersion}`,
    `kind: ${kind}`,
    'metadata:',
    `  name: ${metadata.name}`,
    '  labels:',
    '    {{- include "ne-registry.labels" . | nindent 4 }}',
    ...entries(ownLabels(metadata.labels)),
    ...annotations(metadata.annotations),
    verbatim(others).trimEnd(),
    '{{- end }}',
  ];
  return `${lines.join('\n')}\n`;
}

/** Those that do not come with the release's own labels. */
function ownLabels(labels: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith('app.kubernetes.io/')));
}

function annotations(own: Record<string, string> | undefined): string[] {
  const keep = ['{{- if .Values.crds.keep }}', '    helm.sh/resource-policy: keep', '{{- end }}'];
  if (own !== undefined) return ['  annotations:', ...entries(own), ...keep];
  return ['{{- if .Values.crds.keep }}', '  annotations:', '    helm.sh/resource-policy: keep', '{{- end }}'];
}

function entries(record: Record<string, string> = {}): string[] {
  return Object.entries(record).map(([key, value]) => `    ${verbatim(`${key}: ${JSON.stringify(value)}`)}`);
}

/** Text that a template prints as it is. */
function verbatim(text: string): string {
  return text.replace(/\{\{|\}\}/g, (braces) => `{{ ${JSON.stringify(braces)} }}`);
}

if (import.meta.main) {
  const wanted = await chartDefinitions();
  await rm(TEMPLATES, { recursive: true, force: true });
  await mkdir(TEMPLATES, { recursive: true });
  for (const [file, content] of wanted) await writeFile(join(TEMPLATES, file), content);
  console.log(`${wanted.size} definitions written to charts/ne-registry/templates/crds`);
}
