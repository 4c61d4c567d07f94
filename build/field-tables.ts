/**
 * Writes the tables of fields in `docs/spec/v1alpha1/*.md`, between markers, from the definitions in `crds/`. The rest
 * of those pages is written by hand. Usage: `node build/field-tables.ts [--check]`; with `--check` nothing is written,
 * and a difference ends with exit code 1.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = join(ROOT, 'docs/spec/v1alpha1');

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly message: string }[];
}

interface Definition {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Schema } }];
  };
}

/** The blocks that a page may hold, by the name in their markers. */
function blocks(definition: Definition): ReadonlyMap<string, string> {
  const schema = definition.spec.versions[0].schema.openAPIV3Schema;
  const { spec = {}, status = {} } = schema.properties ?? {};
  return new Map([
    ['spec', table(rows(spec, ''))],
    ['status', table(rows(status, ''))],
    ['refusals', refusals(schema)],
  ]);
}

function table(lines: readonly string[]): string {
  return ['| field | type | meaning |', '|---|---|---|', ...lines].join('\n');
}

/** One row for each field below a schema, in its order; `at` is the path of the schema, empty or ending in a dot. */
function rows(node: Schema, at: string): readonly string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, field]) => {
    const path = `${at}${name}${field.type === 'array' ? '[]' : ''}`;
    const must = node.required?.includes(name) === true ? ', required' : '';
    const row = `| \`${path}\` | ${typeOf(field)}${must} | ${cell(field.description ?? '')} |`;
    return [row, ...rows(field.type === 'array' ? (field.items ?? {}) : field, `${path}.`)];
  });
}

function typeOf(node: Schema): string {
  if (node['x-kubernetes-int-or-string'] === true) return 'integer or string';
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(', ');
  if (node.type === 'array') return `list of ${typeOf(node.items ?? {})}`;
  if (node.additionalProperties !== undefined) return `map to ${typeOf(node.additionalProperties)}`;
  return node.type ?? '';
}

/** The messages of all CEL rules, in the order of the schema. */
function refusals(schema: Schema): string {
  return messages(schema)
    .map((message) => `- ${cell(message)}`)
    .join('\n');
}

function messages(node: Schema): readonly string[] {
  const own = (node['x-kubernetes-validations'] ?? []).map(({ message }) => message);
  const below = [...Object.values(node.properties ?? {}), ...(node.items === undefined ? [] : [node.items])];
  return [...own, ...below.flatMap(messages)];
}

/** Text as it may stand in a cell: on one line, and with no character that Markdown or HTML would take for its own. */
function cell(text: string): string {
  const plain = text.trim().replace(/\s+/g, ' ').replaceAll('|', '\\|');
  // Inside backquotes Markdown leaves all as it is.
  return plain
    .split('`')
    .map((part, at) =>
      at % 2 === 1 ? part : part.replaceAll('*', '\\*').replaceAll('<', '&lt;').replaceAll('_', '\\_'),
    )
    .join('`');
}

/** The page with what stands between its markers replaced. Throws where it lacks one. */
function filled(page: string, file: string, wanted: ReadonlyMap<string, string>): string {
  let text = page;
  for (const [name, block] of wanted) {
    const [start, end] = [`<!-- ${name}: made by build/field-tables.ts -->`, `<!-- end of ${name} -->`];
    const [from, to] = [text.indexOf(start), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${file} lacks the markers "${start}" and "${end}"`);
    text = `${text.slice(0, from)}${start}\n${block}\n${text.slice(to)}`;
  }
  return text;
}

/** `RetentionPolicy` → `retention-policy.md` */
function pageOf(kind: string): string {
  return `${kind.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase()}.md`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { check: { type: 'boolean' } } });
  for (const name of (await readdir(join(ROOT, 'crds'))).filter((entry) => entry.endsWith('.yaml')).sort()) {
    const definition = parse(await readFile(join(ROOT, 'crds', name), 'utf8')) as Definition;
    const file = pageOf(definition.spec.names.kind);
    const page = await readFile(join(PAGES, file), 'utf8');
    const wanted = filled(page, file, blocks(definition));
    if (wanted === page) continue;
    if (values.check !== true) await writeFile(join(PAGES, file), wanted);
    else {
      console.error(`docs/spec/v1alpha1/${file} differs from crds/${name}: run \`node build/field-tables.ts\``);
      process.exitCode = 1;
    }
  }
}

if (import.meta.main) await main();
