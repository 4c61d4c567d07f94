import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = join(import.meta.dirname, '../../../bin/ne-cli.js');

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The most memory it ever had resident, in bytes. */
  readonly peakRss: number;
}

/** A folder of its own for Docker's configuration, so that no test sees the user's credentials. */
export function freshHome(): Record<string, string> {
  const home = mkdtempSync(join(tmpdir(), 'ne-cli-home-'));
  return { HOME: home, DOCKER_CONFIG: join(home, 'docker'), PATH: process.env.PATH ?? '' };
}

/** Starts ne-cli as a user would. */
export function startCli(args: readonly string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs ne-cli to its end. */
export async function cli(args: readonly string[], env: Record<string, string>, input = ''): Promise<Run> {
  const child = startCli(args, env);
  child.stdin?.end(input);
  return await outcome(child);
}

/** What a started ne-cli says, once it has ended. */
export async function outcome(child: ChildProcess): Promise<Run> {
  const out = { stdout: '', stderr: '', peakRss: 0 };
  const watch = setInterval(() => {
    out.peakRss = Math.max(out.peakRss, highWater(child.pid));
  }, 50);
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    out.stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(watch);
  return { code, ...out };
}

function highWater(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
