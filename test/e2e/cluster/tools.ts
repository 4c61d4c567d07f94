import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { progress, run } from './command.ts';
import { withLock } from './lock.ts';

/** How to build one program from the Go module proxy that this machine's Go is configured for. */
export interface GoTool {
  /** The name of the program, as a user would type it. */
  readonly name: string;
  /** Module path, e.g. `github.com/google/go-containerregistry`; none for `sources` that need the standard library only. */
  readonly module?: string;
  /** Exact version, e.g. `v0.22.1`. */
  readonly version: string;
  /** The main package inside the module, e.g. `cmd/crane`; the module's root by default. */
  readonly package?: string;
  /** Our own main package instead of the module's: file name to content. */
  readonly sources?: Readonly<Record<string, string>>;
  /** Module path of `sources`: below another module's path, that module's internal packages can be imported. */
  readonly path?: string;
  /** More modules at exact versions, as `path@version`. */
  readonly require?: readonly string[];
  /** Carries the module's own `replace` directives over; given a version, those that point inside the module's own
   *  tree (Kubernetes' `./staging/src/...`) become that version of the published module. */
  readonly replaces?: 'carry' | { readonly inTree: string };
  /** Linker flags besides `-s -w`. */
  readonly ldflags?: string;
  readonly tags?: readonly string[];
}

/** The folder of cached programs: `$XDG_CACHE_HOME/ne-registry/bin`. */
export function toolCache(): string {
  return join(cacheRoot(), 'bin');
}

/** The folder that holds everything the project caches outside the checkout. */
export function cacheRoot(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ne-registry');
}

/**
 * The path of a program built from the Go module proxy; builds it at first use and then takes it from the cache.
 * Safe to call from several processes at once: one builds, the others wait. Its folder can go on PATH.
 */
export async function goTool(tool: GoTool): Promise<string> {
  const folder = `${tool.name}-${tool.version}-${recipe(tool)}`;
  const program = join(toolCache(), folder, tool.name);
  if (await exists(program)) return program;
  return await withLock(join(toolCache(), `.${folder}.lock`), async () => {
    if (!(await exists(program))) await build(tool, program);
    return program;
  });
}

async function build(tool: GoTool, program: string): Promise<void> {
  const started = Date.now();
  progress(`building ${tool.name} ${tool.version} from the Go module proxy (once; kept in ${dirname(program)})`);
  await goIsThere();
  await mkdir(toolCache(), { recursive: true });
  const work = await mkdtemp(join(toolCache(), `.build-${tool.name}-`));
  try {
    await describeModule(tool, work);
    const target = tool.sources === undefined ? mainPackage(tool) : '.';
    const tags = tool.tags === undefined ? [] : ['-tags', tool.tags.join(',')];
    const ldflags = ['-s -w', tool.ldflags ?? ''].join(' ').trim();
    const out = join(work, 'out', tool.name);
    await go(['build', '-mod=mod', '-trimpath', ...tags, '-ldflags', ldflags, '-o', out, target], work);
    // The folder appears under its final name in one step, and only when the program in it is whole.
    await rm(dirname(program), { recursive: true, force: true });
    await rename(join(work, 'out'), dirname(program));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  progress(`built ${tool.name} ${tool.version} in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function describeModule(tool: GoTool, work: string): Promise<void> {
  await go(['mod', 'init', tool.path ?? 'ne-registry.io/tools'], work);
  for (const edit of await replacements(tool, work)) await go(['mod', 'edit', '-replace', edit], work);
  const required = [...(tool.module === undefined ? [] : [`${tool.module}@${tool.version}`]), ...(tool.require ?? [])];
  if (required.length > 0) await go(['mod', 'edit', ...required.map((module) => `-require=${module}`)], work);
  if (tool.sources === undefined) {
    await go(['get', `${mainPackage(tool)}@${tool.version}`], work);
    return;
  }
  for (const [name, content] of Object.entries(tool.sources)) await writeFile(join(work, name), content);
  await go(['mod', 'tidy'], work);
}

interface ModFile {
  readonly Replace?: readonly { readonly Old: GoModule; readonly New: GoModule }[] | null;
}

interface GoModule {
  readonly Path: string;
  readonly Version?: string;
}

async function replacements(tool: GoTool, work: string): Promise<readonly string[]> {
  if (tool.replaces === undefined) return [];
  const module = JSON.parse(await go(['mod', 'download', '-json', `${tool.module}@${tool.version}`], work)) as {
    GoMod: string;
  };
  const file = JSON.parse(await go(['mod', 'edit', '-json', module.GoMod], work)) as ModFile;
  const inTree = typeof tool.replaces === 'object' ? tool.replaces.inTree : undefined;
  return (file.Replace ?? []).flatMap(({ Old, New }) => {
    const old = Old.Version === undefined ? Old.Path : `${Old.Path}@${Old.Version}`;
    if (New.Version !== undefined) return [`${old}=${New.Path}@${New.Version}`];
    return inTree === undefined ? [] : [`${old}=${Old.Path}@${inTree}`];
  });
}

function mainPackage(tool: GoTool): string {
  if (tool.module === undefined) throw new Error(`the recipe of ${tool.name} names neither a module nor sources`);
  return tool.package === undefined ? tool.module : `${tool.module}/${tool.package}`;
}

/** Eight hexadecimal digits that change when the recipe does, so that no stale program is ever taken. */
function recipe(tool: GoTool): string {
  return createHash('sha256').update(JSON.stringify(tool)).update(process.arch).digest('hex').slice(0, 8);
}

async function go(args: readonly string[], cwd: string): Promise<string> {
  return await run('go', args, { cwd, env: { CGO_ENABLED: '0', GOWORK: 'off' }, timeoutMs: 30 * 60_000 });
}

async function goIsThere(): Promise<void> {
  await run('go', ['version']).catch(() => {
    throw new Error('Go is needed to build the test tools: install Go 1.26 or newer and put `go` on PATH');
  });
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
