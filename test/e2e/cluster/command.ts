import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** Milliseconds after which the program is killed and the call fails; default ten minutes. */
  readonly timeoutMs?: number;
  /** Lets the program finish when this process is killed; otherwise the kernel kills it then. */
  readonly outlives?: boolean;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program ended with a code other than zero, was killed, or could not start. */
export class CommandError extends Error {
  readonly result: CommandResult;

  constructor(command: string, result: CommandResult) {
    const said = `${result.stderr}\n${result.stdout}`.trim().split('\n').slice(-25).join('\n');
    super(`${command}: exit ${result.code}${said === '' ? '' : `\n${said}`}`);
    this.name = 'CommandError';
    this.result = result;
  }
}

/** Runs a program to its end and gives what it said, whatever its exit code; throws only when it cannot start. */
export function attempt(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(...tethered(command, args, options), {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 600_000,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    // A program that ends without reading its input gives EPIPE; its exit code says what happened.
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => reject(new Error(`${command} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      const said = Buffer.concat(err).toString();
      const killed = signal === null ? '' : `\nkilled by ${signal}`;
      if (code === 127 && said.startsWith('setpriv: failed to execute')) {
        return reject(new Error(`${command} could not be started: there is no such program here`));
      }
      return resolve({ code: code ?? 128, stdout: Buffer.concat(out).toString(), stderr: said + killed });
    });
    child.stdin.end(options.input);
  });
}

/** A killed run must not leave a kubectl behind that waits for a server for ever. */
function tethered(command: string, args: readonly string[], options: CommandOptions): [string, readonly string[]] {
  if (options.outlives === true || process.platform !== 'linux') return [command, args];
  return ['setpriv', ['--pdeathsig', 'KILL', command, ...args]];
}

/** Runs a program to its end and gives its standard output; throws CommandError unless it exits with 0. */
export async function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await attempt(command, args, options);
  if (result.code !== 0) throw new CommandError([command, ...args].join(' ').slice(0, 300), result);
  return result.stdout;
}

/** One line of progress on standard error, so that standard output stays for answers. */
export function progress(line: string): void {
  process.stderr.write(`[cluster] ${line}\n`);
}
