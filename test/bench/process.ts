import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';

/** Clock ticks a second of proc(5)'s times: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** A program that was started with its output in a file, so that reading it costs nobody processor time. */
export class Program {
  readonly child: ChildProcess;
  readonly logFile: string;
  #exited: Promise<unknown>;

  /** @param options `namespace`: the network namespace that it is started in */
  constructor(
    command: string,
    args: readonly string[],
    options: { logFile: string; env?: NodeJS.ProcessEnv; namespace?: string | undefined },
  ) {
    const out = openSync(options.logFile, 'a');
    this.logFile = options.logFile;
    // The kernel ends it when this process is killed; where this process just ends, nginx must hear it, for its children's sake.
    const inside = options.namespace === undefined ? [] : ['ip', 'netns', 'exec', options.namespace];
    const tethered = ['--pdeathsig', 'KILL', ...inside, command, ...args];
    this.child = spawn('setpriv', tethered, { stdio: ['ignore', out, out], env: { ...process.env, ...options.env } });
    closeSync(out);
    this.#exited = once(this.child, 'exit');
    this.#exited.catch(() => undefined);
    const end = () => this.child.kill('SIGTERM');
    process.once('exit', end);
    this.child.once('exit', () => process.off('exit', end));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The process and its children (nginx works in those). */
  pids(): number[] {
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').trim();
    return [this.pid, ...children.split(' ').filter(Boolean).map(Number)];
  }

  /** Waits until `ready` holds; rejects with the log where the program ends before, or after a minute. */
  async until(ready: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 60_000; !(await ready()); await pause(5)) {
      if (this.child.exitCode !== null || Date.now() > deadline) {
        throw new Error(
          `${this.child.spawnargs[3]} does not serve:\n${readFileSync(this.logFile, 'utf8').slice(-2000)}`,
        );
      }
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    const killing = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    await this.#exited;
    clearTimeout(killing);
  }
}

/** Processor time that processes have used, seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }, 0);
}

/** The most that was resident since `forgetPeak`, bytes; the sum over the processes. */
export function peakBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return sum + Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) * 1024;
  }, 0);
}

/** proc(5) clear_refs: 5 sets the highest resident memory back to the present one. */
export function forgetPeak(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
