import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensurePackages } from '../../e2e/cluster/packages.ts';
import { type GoTool, goTool } from '../../e2e/cluster/tools.ts';
import { cpuSeconds, peakBytes } from '../process.ts';

const root = join(import.meta.dirname, '../../..');

const crane: GoTool = {
  name: 'crane',
  module: 'github.com/google/go-containerregistry',
  version: 'v0.22.1',
  package: 'cmd/crane',
};
const regsync: GoTool = {
  name: 'regsync',
  module: 'github.com/regclient/regclient',
  version: 'v0.11.7',
  package: 'cmd/regsync',
};

/** All tags of one repository, from one registry to another; both on loopback, without TLS. */
export interface Route {
  /** `127.0.0.1:PORT` */
  readonly from: string;
  readonly to: string;
  readonly repository: string;
  /** An existing folder for a configuration. */
  readonly folder: string;
}

/** A program that copies repositories, as its users use it. */
export interface Copier {
  readonly name: string;
  /** Copies; resolves when it is done. */
  copy(route: Route): Promise<Cost>;
  stop(): void;
}

/** What one copy took, as far as it could be seen from outside. */
export interface Cost {
  readonly milliseconds: number;
  readonly cpuMicros: number;
  readonly peakBytes: number;
}

/** Ours first. @param bundle the folder that `build/bundle.ts` filled */
export async function copiers(bundle: string): Promise<readonly Copier[]> {
  await ensurePackages(['skopeo']);
  const programs = { crane: await goTool(crane), regsync: await goTool(regsync) };
  const both = ({ from, to, repository }: Route) => [`${from}/${repository}`, `${to}/${repository}`];
  return [
    await worker(),
    program('ne-cli', async (route) => [
      process.execPath,
      join(bundle, 'ne-cli.js'),
      ...['copy', '--all-tags', '--quiet', ...both(route)],
    ]),
    program('crane', async (route) => [programs.crane, 'copy', '--all-tags', '--insecure', ...both(route)]),
    program('regsync', async (route) => [programs.regsync, 'once', '--config', await regsyncConfig(route)]),
    program('skopeo', async ({ from, to, repository }) => [
      'skopeo',
      ...['sync', '--src-tls-verify=false', '--dest-tls-verify=false', '--src=docker', '--dest=docker'],
      `${from}/${repository}`,
      // It takes the last part of the name by itself.
      `${to}/${repository.split('/').slice(0, -1).join('/')}`,
    ]),
  ];
}

/** One that is started for each copy. */
function program(name: string, command: (route: Route) => Promise<readonly string[]>): Copier {
  return {
    name,
    async copy(route) {
      const [path = '', ...args] = await command(route);
      const began = performance.now();
      const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.on('data', (text: Buffer) => {
        said = `${said}${text}`.slice(-2000);
      });
      const cost = watch(child.pid ?? 0);
      const code = await new Promise((resolve) => child.once('close', resolve));
      const milliseconds = performance.now() - began;
      if (code !== 0) throw new Error(`${name} ended with ${code}:\n${said}`);
      return { milliseconds, ...cost() };
    },
    stop() {},
  };
}

/** Our engine, with the settings of the image, in a process that is there before there is work: as replication is. */
async function worker(): Promise<Copier> {
  const { flags, environment } = (await import(join(root, 'bin/settings.js'))) as {
    flags: readonly string[];
    environment: NodeJS.ProcessEnv;
  };
  const child = spawn(process.execPath, [...flags, join(root, 'test/bench/copy-worker.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    name: 'ours',
    async copy({ from, to, repository }) {
      const began = performance.now();
      const cost = watch(child.pid ?? 0);
      child.stdin.write(`${from} ${to} ${repository}\n`);
      const { done } = await answers.next();
      if (done === true) throw new Error('the worker ended');
      return { milliseconds: performance.now() - began, ...cost() };
    },
    stop: () => child.stdin.end(),
  };
}

/** Looks at a program while it runs: afterwards nobody can. */
function watch(pid: number): () => Pick<Cost, 'cpuMicros' | 'peakBytes'> {
  const before = cpuSeconds([pid]);
  const seen = { cpuMicros: 0, peakBytes: 0 };
  const look = () => {
    try {
      const cpuMicros = (cpuSeconds([pid]) - before) * 1e6;
      Object.assign(seen, { cpuMicros, peakBytes: peakBytes([pid]) || seen.peakBytes });
    } catch {
      // It ended a moment ago.
    }
  };
  const timer = setInterval(look, 10);
  return () => {
    clearInterval(timer);
    look();
    return seen;
  };
}

/** Four at once, like the others. JSON is YAML. */
async function regsyncConfig({ from, to, repository, folder }: Route): Promise<string> {
  const file = join(folder, 'regsync.yml');
  const creds = [from, to].map((registry) => ({ registry, tls: 'disabled', reqConcurrent: 8 }));
  const sync = [{ source: `${from}/${repository}`, target: `${to}/${repository}`, type: 'repository' }];
  await writeFile(file, JSON.stringify({ version: 1, creds, defaults: { parallel: 4 }, sync }));
  return file;
}
