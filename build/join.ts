import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

/** What is compiled, once and again, is written so. */
export const dialect = {
  format: 'esm',
  platform: 'node',
  target: 'node26',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
} as const;

/** Never joined: it ends the process when it has run, and nothing may wait for it. */
const entrance = 'registry-program.js';

/** A file that several are joined into: what is loaded when one of the sources `roots` is, and in no group before it. */
export interface Group {
  /** Of the file, without `.js`. */
  readonly name: string;
  readonly roots: readonly string[];
  /** Only what each of these sources loads as well. */
  readonly within?: readonly string[];
}

/**
 * Joins the many small files that splitting makes into few: each costs a start most of a millisecond, and there are eighty. A file
 * that was joined stays, and passes on what it exported; so what is loaded on demand finds it as before.
 * @param folder of the bundle, flat; its files are replaced
 */
export async function joinFiles(folder: string, metafile: Metafile, groups: readonly Group[]): Promise<void> {
  const files = new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]));
  const loads = (roots: readonly string[]) =>
    closure(
      files,
      roots.map((root) => fileOf(files, root)),
    );
  const home = new Map<string, string>();
  for (const { name, roots, within } of groups) {
    const limits = (within ?? []).map((root) => loads([root]));
    for (const file of loads(roots)) {
      if (file !== entrance && !home.has(file) && limits.every((limit) => limit.has(file))) home.set(file, name);
    }
  }
  const joined: Joined = { folder, home, exportsOf: (file) => files.get(file)?.exports ?? [] };
  const texts: (readonly [string, string])[] = await Promise.all([
    ...groups.map(async ({ name }) => [`${name}.js`, await joinedText(joined, name)] as const),
    [entrance, await entranceText(joined)] as const,
  ]);
  for (const [file, group] of home) texts.push([file, passedOn(joined, file, `./${group}.js`)]);
  for (const [file, text] of texts) await writeFile(join(folder, file), text);
  await removeUnused(folder);
}

interface Joined {
  readonly folder: string;
  /** Of a file that is joined, the name of its group. */
  readonly home: ReadonlyMap<string, string>;
  exportsOf(file: string): readonly string[];
}

type Output = Metafile['outputs'][string];

function fileOf(files: ReadonlyMap<string, Output>, source: string): string {
  for (const [file, { entryPoint }] of files) if (entryPoint === source) return file;
  throw new Error(`${source} has no file of its own in the bundle: it is not loaded on demand any more`);
}

/** What loading the files loads, themselves included. */
function closure(files: ReadonlyMap<string, Output>, roots: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (file: string) => {
    if (found.has(file)) return;
    found.add(file);
    for (const { path, kind, external } of files.get(file)?.imports ?? [])
      if (kind === 'import-statement' && external !== true) visit(basename(path));
  };
  roots.forEach(visit);
  return found;
}

/** The name of an export in the joined file: files may export the same name. */
const nameOf = (file: string, name: string) => `${file.replace(/\.js$/, '').replace(/\W/g, '_')}$${name}`;

function passedOn({ exportsOf }: Joined, file: string, from: string): string {
  const names = exportsOf(file).map((name) => `${nameOf(file, name)} as ${name}`);
  return names.length === 0
    ? `import ${JSON.stringify(from)};\n`
    : `export{${names.join(',')}}from${JSON.stringify(from)};\n`;
}

async function joinedText(joined: Joined, group: string): Promise<string> {
  const members = [...joined.home].filter(([, name]) => name === group).map(([file]) => file);
  const lines = members.map((file) => {
    const names = joined.exportsOf(file).map((name) => `${name} as ${nameOf(file, name)}`);
    return names.length === 0 ? `import './${file}';` : `export {${names.join(', ')}} from './${file}';`;
  });
  return await rewritten(joined, group, { contents: lines.join('\n'), resolveDir: joined.folder });
}

async function entranceText(joined: Joined): Promise<string> {
  const contents = await readFile(join(joined.folder, entrance), 'utf8');
  return await rewritten(joined, undefined, { contents, resolveDir: joined.folder });
}

async function rewritten(
  joined: Joined,
  group: string | undefined,
  stdin: { contents: string; resolveDir: string },
): Promise<string> {
  const { outputFiles } = await build({
    stdin,
    bundle: true,
    write: false,
    ...dialect,
    plugins: [fromOtherGroups(joined, group)],
  });
  return outputFiles[0]?.text ?? '';
}

/** Files of the group are taken in; of another group the joined file is named; the rest stays as it is. */
function fromOtherGroups(joined: Joined, group: string | undefined): Plugin {
  return {
    name: 'groups',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /./ }, ({ path, kind, namespace }) => {
        const file = basename(path);
        const home = path.startsWith('./') ? joined.home.get(file) : undefined;
        if (kind === 'dynamic-import' || home === undefined || namespace === 'other') return { path, external: true };
        return home === group
          ? { path: join(joined.folder, file) }
          : { path: file, namespace: 'other', pluginData: home };
      });
      onLoad({ filter: /./, namespace: 'other' }, ({ path, pluginData }) => ({
        contents: passedOn(joined, path, `./${pluginData}.js`),
        loader: 'js',
      }));
    },
  };
}

/** Of what was joined, files that nothing names any more. */
async function removeUnused(folder: string): Promise<void> {
  for (let removed = true; removed; ) {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.js'));
    const texts = await Promise.all(names.map(async (name) => await readFile(join(folder, name), 'utf8')));
    const named = new Set(texts.flatMap((text) => [...text.matchAll(/"\.\/([^"]+\.js)"/g)].map(([, name]) => name)));
    const unused = names.filter((name) => name.startsWith('chunk-') && !named.has(name));
    for (const name of unused) await rm(join(folder, name));
    removed = unused.length > 0;
  }
}
