import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePackages } from '../../e2e/cluster/packages.ts';
import { type GoTool, goTool } from '../../e2e/cluster/tools.ts';
import { cpuSeconds, peakBytes } from '../process.ts';

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

/** All tags of some repositories, from one registry to another; both without TLS. */
export interface Route {
  /** `127.0.0.1:PORT` */
  readonly from: string;
  readonly to: string;
  /** Below one folder that has no others. */
  readonly repositories: readonly string[];
  /** An existing folder for a configuration. */
  readonly folder: string;
  /** Seconds after which a copy is given up; its time is that. Five minutes unless given. */
  readonly patience?: number;
}

/** A program that copies repositories, as its users use it. */
export interface Copier {
  readonly name: string;
  /** Copies; resolves when it is done. */
  copy(route: Route): Promise<Cost>;
}

/** What one copy took, as far as it could be seen from outside. */
export interface Cost {
  readonly milliseconds: number;
  readonly cpuMicros: number;
  readonly peakBytes: number;
  /** It was given up: all that is known is that it takes longer. */
  readonly givenUp?: boolean;
}

/** Programs that are started for each copy, and whose start counts. @param bundle the folder that `build/bundle.ts` filled */
export async function programs(bundle: string): Promise<readonly Copier[]> {
  await ensurePackages(['skopeo']);
  const tools = { crane: await goTool(crane), regsync: await goTool(regsync) };
  return [
    program('ne-cli', each(neCli(bundle))),
    program('crane', each(craneCopy(tools.crane))),
    program('regsync', async (route) => [[tools.regsync, 'once', '--config', await regsyncConfig(route)]]),
    program('skopeo', each(skopeoSync)),
  ];
}

type Command = readonly string[];

/** One after the other: these programs take one repository. */
function each(command: (route: Route, repository: string) => Command): (route: Route) => Promise<Command[]> {
  return async (route) => route.repositories.map((repository) => command(route, repository));
}

function neCli(bundle: string) {
  const flags = ['copy', '--all-tags', '--quiet', '--source-plain-http', '--target-plain-http'];
  return ({ from, to }: Route, repository: string) => [
    ...[process.execPath, join(bundle, 'ne-cli.js'), ...flags],
    ...[`${from}/${repository}`, `${to}/${repository}`],
  ];
}

function craneCopy(crane: string) {
  return ({ from, to }: Route, repository: string) => [
    ...[crane, 'copy', '--all-tags', '--insecure'],
    ...[`${from}/${repository}`, `${to}/${repository}`],
  ];
}

/** It takes the last part of the name by itself. */
function skopeoSync({ from, to }: Route, repository: string): Command {
  const flags = ['--src-tls-verify=false', '--dest-tls-verify=false', '--src=docker', '--dest=docker'];
  const folder = repository.split('/').slice(0, -1).join('/');
  return ['skopeo', 'sync', ...flags, `${from}/${repository}`, `${to}/${folder}`];
}

function program(name: string, commands: (route: Route) => Promise<readonly Command[]>): Copier {
  return {
    name,
    async copy(route) {
      const due = await commands(route);
      const began = performance.now();
      const patience = began + (route.patience ?? 300) * 1000;
      const total = { cpuMicros: 0, peakBytes: 0, givenUp: false };
      for (const command of due) {
        if (total.givenUp) break;
        const { cpuMicros, peakBytes: peak, givenUp } = await performed(command, patience - performance.now());
        total.cpuMicros += cpuMicros;
        total.peakBytes = Math.max(total.peakBytes, peak);
        total.givenUp = givenUp;
      }
      return { milliseconds: performance.now() - began, ...total };
    },
  };
}

async function performed([path = '', ...args]: Command, patience: number) {
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said = `${said}${text}`.slice(-2000);
  });
  const cost = watch(child.pid ?? 0);
  const killing = setTimeout(() => child.kill('SIGKILL'), patience);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once('close', (...end) => resolve(end)),
  );
  clearTimeout(killing);
  const givenUp = signal === 'SIGKILL';
  if (code !== 0 && !givenUp) throw new Error(`${path} ended with ${code}:\n${said}`);
  return { ...cost(), givenUp };
}

/** Looks at a program while it runs: afterwards nobody can. */
export function watch(pid: number): () => Pick<Cost, 'cpuMicros' | 'peakBytes'> {
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
  const timer = setInterval(look, 20);
  return () => {
    clearInterval(timer);
    look();
    return seen;
  };
}

/** Four at once, like the others. JSON is YAML. */
async function regsyncConfig({ from, to, repositories, folder }: Route): Promise<string> {
  const file = join(folder, 'regsync.yml');
  const creds = [from, to].map((registry) => ({ registry, tls: 'disabled', reqConcurrent: 8 }));
  const sync = repositories.map((repository) => ({
    source: `${from}/${repository}`,
    target: `${to}/${repository}`,
    type: 'repository',
  }));
  await writeFile(file, JSON.stringify({ version: 1, creds, defaults: { parallel: 4 }, sync }));
  return file;
}
