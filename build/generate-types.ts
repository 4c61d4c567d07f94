/**
 * Writes the TypeScript types of the custom resources: `crds/*.yaml` is the truth, `src/api/v1alpha1/*.gen.ts` follows.
 * Usage: `node build/generate-types.ts [--check] [CRDS OUT]`; with `--check` nothing is written, and a difference ends
 * with exit code 1 and the names of the files that differ.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SUFFIX = '.gen.ts';
const WIDTH = 120;

/** The part of OpenAPI that a structural schema may use, as far as types follow from it. */
interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
}

interface Definition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** A source file in the making. */
interface Draft {
  readonly source: string;
  readonly kind: string;
  /** Name to text, in the order of the schema. */
  readonly interfaces: Map<string, string>;
}

/** The types of one definition, as a source file; every object of the schema becomes an interface. */
export function typesOf(definition: Definition, source: string): string {
  const { kind } = definition.spec.names;
  const [version, ...others] = definition.spec.versions;
  if (version === undefined || others.length > 0)
    throw new Error(`${source}: this generator knows one version, not more`);
  const schema = version.schema.openAPIV3Schema;
  const { spec, status } = schema.properties ?? {};
  if (spec === undefined || status === undefined) throw new Error(`${source}: the schema has no spec or no status`);
  const root = [
    `${comment(schema.description, '')}export interface ${kind} {`,
    `  apiVersion: ${quote(`${definition.spec.group}/${version.name}`)};`,
    `  kind: ${quote(kind)};`,
    '  metadata: ObjectMeta;',
    `  spec: ${kind}Spec;`,
    `  status?: ${kind}Status;`,
    '}\n',
  ].join('\n');
  const draft: Draft = { source, kind, interfaces: new Map([[kind, root]]) };
  declare(draft, spec, `${kind}Spec`);
  declare(draft, status, `${kind}Status`);
  const header = `// Made from ${source} by build/generate-types.ts: change it there, then \`npm run generate\`.\n`;
  return [`${header}import type { ObjectMeta } from './object-meta.ts';\n`, ...draft.interfaces.values()].join('\n');
}

/** Adds the interface `name` and what it is made of to the draft; answers its name. */
function declare(draft: Draft, node: Schema, name: string): string {
  const { source, kind, interfaces } = draft;
  if (interfaces.has(name)) throw new Error(`${source}: two objects would be named ${name}; rename a field`);
  interfaces.set(name, '');
  const prefix = name === `${kind}Spec` ? kind : name;
  const fields = Object.entries(node.properties ?? {}).map(([field, child]) => {
    const optional = node.required?.includes(field) === true ? '' : '?';
    const type = typeOf(draft, child, `${prefix}${capital(field)}`);
    return `${comment(child.description, '  ')}  ${field}${optional}: ${type};\n`;
  });
  interfaces.set(name, `${comment(node.description, '')}export interface ${name} {\n${fields.join('')}}\n`);
  return name;
}

/** The type of a value; objects with fields are declared under `name`. */
function typeOf(draft: Draft, node: Schema, name: string): string {
  const simple = simpleType(node);
  if (simple !== undefined) return simple;
  if (node.type === 'array') return `${bracketed(typeOf(draft, itemsOf(node, name), singular(name)))}[]`;
  if (node.properties !== undefined) return declare(draft, node, name);
  if (node.additionalProperties !== undefined)
    return `Record<string, ${typeOf(draft, node.additionalProperties, name)}>`;
  if (node.type === 'object') return 'Record<string, unknown>';
  throw new Error(`${draft.source}: ${name} has no type that this generator knows`);
}

function simpleType(node: Schema): string | undefined {
  if (node['x-kubernetes-int-or-string'] === true) return 'number | string';
  if (node.enum !== undefined) return node.enum.map((value) => quote(String(value))).join(' | ');
  if (node.type === 'integer' || node.type === 'number') return 'number';
  return node.type === 'string' || node.type === 'boolean' ? node.type : undefined;
}

function itemsOf(node: Schema, name: string): Schema {
  if (node.items === undefined) throw new Error(`${name} is an array without items`);
  return node.items;
}

function comment(text: string | undefined, indent: string): string {
  if (text === undefined) return '';
  const safe = text.trim().replaceAll('*/', '*\\/');
  const single = `${indent}/** ${safe} */\n`;
  if (single.length <= WIDTH + 1 && !safe.includes('\n')) return single;
  return `${indent}/**\n${wrap(safe, WIDTH - indent.length - 3)
    .map((line) => `${indent} * ${line}\n`)
    .join('')}${indent} */\n`;
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** `RegistryTolerations` → `RegistryToleration`, `Entries` → `Entry`; what has no plural keeps its name. */
function singular(name: string): string {
  return name.replace(/ies$/, 'y').replace(/([^s])s$/, '$1');
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function bracketed(type: string): string {
  return type.includes(' | ') ? `(${type})` : type;
}

/** `RetentionPolicy` → `retention-policy.gen.ts` */
function fileOf(kind: string): string {
  return `${kind.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase()}${SUFFIX}`;
}

async function generate(crds: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const name of (await readdir(crds)).filter((entry) => entry.endsWith('.yaml')).sort()) {
    const definition = parse(await readFile(join(crds, name), 'utf8')) as Definition;
    files.set(fileOf(definition.spec.names.kind), typesOf(definition, `crds/${name}`));
  }
  return files;
}

/** The generated files that are not what they should be: changed, missing, or of a kind that is gone. */
async function differences(wanted: ReadonlyMap<string, string>, out: string): Promise<readonly string[]> {
  const there = (await readdir(out).catch(() => [])).filter((name) => name.endsWith(SUFFIX));
  const names = [...new Set([...there, ...wanted.keys()])].sort();
  const judged = names.map(async (name) => {
    const text = await readFile(join(out, name), 'utf8').catch(() => undefined);
    return text === wanted.get(name) ? [] : [name];
  });
  return (await Promise.all(judged)).flat();
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true });
  const [crds = join(ROOT, 'crds'), out = join(ROOT, 'src/api/v1alpha1')] = positionals;
  const wanted = await generate(crds);
  const differing = await differences(wanted, out);
  if (values.check === true) {
    if (differing.length === 0) return;
    console.error(`types differ from the definitions in crds/: ${differing.join(', ')}; run \`npm run generate\``);
    process.exitCode = 1;
    return;
  }
  await mkdir(out, { recursive: true });
  for (const name of differing) {
    const text = wanted.get(name);
    if (text === undefined) await rm(join(out, name));
    else await writeFile(join(out, name), text);
    console.log(`${text === undefined ? 'removed' : 'wrote'} ${relative(process.cwd(), join(out, name))}`);
  }
}

if (import.meta.main) await main();
