/**
 * Bundles the two programs into `dist/`: `ne-registry.js`, `ne-cli.js`, the files they share or load on demand, and one
 * file for every worker thread. Usage: `node build/bundle.ts [OUT]`.
 *
 * The sources say `new URL('./writer.ts', import.meta.url)` for a thread (or a file that they read); that is right in a
 * checkout. Here each such file becomes an entry, or a copy, beside the rest, and the URL is rewritten to it. All of
 * the output lies flat in one folder, so that the URL is right whichever file the code ends up in.
 */
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { entrance, keepCompiled } from './compiled.ts';
import { fewEncodings } from './few-encodings.ts';
import { fewMediaTypes } from './few-media-types.ts';
import { dialect, type Group, joinFiles } from './join.ts';
import { leanAws } from './lean-aws.ts';
import { namedExports } from './named-exports.ts';
import { noTracing } from './no-tracing.ts';
import { prebuiltAddons } from './prebuilt-addons.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = join(ROOT, 'src');
const FILE_URL = /new URL\(\s*(['"])(\.{1,2}\/[^'"]+)\1,\s*import\.meta\.url,?\s*\)/g;

const serving = [
  'src/registry/run.ts',
  'src/registry/storage/filesystem.ts',
  'src/registry/storage/filesystem/records.ts',
  'src/registry/metadata/sqlite/open.ts',
];
/** In order. What the operator also uses is apart from serving, and what both begin with from both. */
const groups: readonly Group[] = [
  { name: 'program', roots: ['src/main.ts', 'src/platform/version.ts'] },
  { name: 'common', roots: serving, within: ['src/operator/run.ts'] },
  { name: 'serve', roots: serving },
  { name: 'operator', roots: ['src/operator/run.ts'] },
];

export interface Bundle {
  readonly folder: string;
  /** Name of each file to its size in bytes. */
  readonly files: Readonly<Record<string, number>>;
  readonly metafile: Metafile;
}

/** Builds everything into `folder`, which is emptied first. Throws when a source does not compile or a name is taken. */
export async function bundle(folder: string = join(ROOT, 'dist')): Promise<Bundle> {
  const named = await filesNamedByUrl(SOURCES);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [path, name] of named) if (!path.endsWith('.ts')) await copyFile(path, join(folder, name));
  await writeManifest(folder);
  const compiled = async (entryPoints: Record<string, string>, chunkNames = '[name]-[hash]') => {
    const { metafile } = await build({ ...common(folder, named), entryPoints, chunkNames });
    return metafile;
  };
  const registry = await compiled({ 'registry-program': join(SOURCES, 'main.ts') });
  await joinFiles(folder, registry, groups);
  // Apart: a thread must not load what belongs to the program that it is part of. Under other names: a file of the same content would
  // have the same, and would take the place of one that was joined; whatever loads it had classes of its own then.
  const threads = [...named].filter(([path]) => path.endsWith('.ts'));
  const others = {
    'cli-program': join(SOURCES, 'cli/main.ts'),
    ...Object.fromEntries(threads.map(([path, name]) => [basename(name, '.js'), path])),
  };
  const rest = await compiled(others, 'apart-[name]-[hash]');
  for (const [name, program] of Object.entries(programs))
    await writeFile(join(folder, name), entrance(program), { mode: 0o755 });
  // Compiled parts of bcrypt are there for Linux alone.
  if (process.platform === 'linux') await keepCompiled(folder, loadedLater(registry));
  return { folder, files: await sizes(folder), metafile: joinedMetafiles([registry, rest]) };
}

const programs = { 'ne-registry.js': 'registry-program.js', 'ne-cli.js': 'cli-program.js' };

/** What the operator is, and what serving from other stores needs. */
function loadedLater({ outputs }: Metafile): string[] {
  const sources = ['src/operator/run.ts', 'src/registry/metadata/postgres/open.ts', 'src/registry/storage/s3.ts'];
  const files = Object.entries(outputs).filter(([, { entryPoint = '' }]) => sources.includes(entryPoint));
  return files.map(([path]) => basename(path));
}

/** What every part of the bundle is compiled with. */
function common(folder: string, named: ReadonlyMap<string, string>) {
  return {
    outdir: folder,
    absWorkingDir: ROOT,
    bundle: true,
    splitting: true,
    ...dialect,
    // CommonJS dependencies ask for Node's own modules with require(), which an ES module does not have.
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    metafile: true,
    plugins: [
      rewriteFileUrls(named),
      prebuiltAddons(folder),
      leanAws(),
      namedExports(),
      noTracing(),
      fewEncodings(),
      fewMediaTypes(),
    ],
  } satisfies BuildOptions;
}

/** What says that the files are ES modules, and which version they are. */
async function writeManifest(folder: string): Promise<void> {
  const { name, version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest;
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name, version, type: 'module' }));
}

interface Manifest {
  name: string;
  version: string;
}

async function sizes(folder: string): Promise<Record<string, number>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.js'));
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).size])),
  );
}

function joinedMetafiles(all: readonly Metafile[]): Metafile {
  const merge = (part: 'inputs' | 'outputs') => Object.assign({}, ...all.map((metafile) => metafile[part]));
  return { inputs: merge('inputs'), outputs: merge('outputs') };
}

/** Files that the sources name by URL: absolute path to the name in the bundle. */
async function filesNamedByUrl(folder: string): Promise<Map<string, string>> {
  const named = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true })) {
    if (!entry.endsWith('.ts')) continue;
    const importer = join(folder, entry);
    for (const match of (await readFile(importer, 'utf8')).matchAll(FILE_URL)) {
      const path = resolve(dirname(importer), match[2] ?? '');
      named.set(path, nameInBundle(path));
    }
  }
  return named;
}

/** `src/registry/metadata/sqlite/writer.ts` → `registry-metadata-sqlite-writer.js`; other files keep their extension. */
function nameInBundle(path: string): string {
  const parts = relative(ROOT, path).replace(/^src\//, '');
  if (parts.startsWith('..')) throw new Error(`${path} is named by URL but lies outside the project`);
  return parts.replaceAll('/', '-').replace(/\.ts$/, '.js');
}

function rewriteFileUrls(named: ReadonlyMap<string, string>): Plugin {
  return {
    name: 'file-urls',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!path.startsWith(SOURCES)) return undefined;
        const contents = (await readFile(path, 'utf8')).replace(FILE_URL, (_, _quote, file: string) => {
          const name = named.get(resolve(dirname(path), file));
          if (name === undefined) throw new Error(`${path}: ${file} appeared while bundling; run it again`);
          return `new URL('./${name}', import.meta.url)`;
        });
        return { contents, loader: 'ts' };
      });
    },
  };
}

if (import.meta.main) {
  const { folder, files } = await bundle(process.argv[2]);
  const total = Object.values(files).reduce((sum, bytes) => sum + bytes, 0);
  for (const [name, bytes] of Object.entries(files))
    console.log(`${(bytes / 1024).toFixed(0).padStart(7)} KiB  ${name}`);
  console.log(`${(total / 1024).toFixed(0).padStart(7)} KiB  in ${folder}`);
}
