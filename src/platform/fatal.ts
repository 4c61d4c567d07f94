import { accessSync, constants, writeFileSync } from 'node:fs';

/** Exit codes of both programs: 1 where the work failed, 2 where the command line or the configuration is wrong. */
export const exitCodes = { failure: 1, usage: 2 } as const;

export interface FatalOptions {
  /** Default: `failure`. */
  exit?: keyof typeof exitCodes;
  cause?: unknown;
}

/**
 * Why a program cannot go on. The message is all that an operator may get to see (one log line, the termination log of
 * the pod), so it says what was wrong, where, and what to do; it must hold no secret.
 */
export class Fatal extends Error {
  readonly exitCode: number;

  constructor(message: string, options: FatalOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fatal';
    this.exitCode = exitCodes[options.exit ?? 'failure'];
  }
}

export interface FatalOutputs {
  /** The structured log, where there is one yet. */
  readonly log?: { fatal(fields: object, message: string): void };
  /** Where Kubernetes reads the reason of an exit from; written only where it exists. */
  readonly terminationLog?: string;
  readonly stderr?: { write(text: string): unknown };
}

/**
 * Tells the log, stderr and the termination log why the program ends. Of an error that nobody foresaw the stack goes to
 * the log as well. Never throws.
 * @returns the exit code
 */
export function reportFatal(error: unknown, outputs: FatalOutputs = {}): number {
  const { log, terminationLog = '/dev/termination-log', stderr = process.stderr } = outputs;
  const foreseen = error instanceof Fatal;
  const text = foreseen ? error.message : `stopped by an unforeseen error: ${messageOf(error)}`;
  log?.fatal(foreseen ? {} : { err: error }, text);
  stderr.write(`ne-registry: ${text}\n`);
  try {
    accessSync(terminationLog, constants.W_OK);
    writeFileSync(terminationLog, text.slice(0, 4096), { flag: 'r+' });
  } catch {
    // There is none outside a pod.
  }
  return foreseen ? error.exitCode : exitCodes.failure;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error (`ENOENT`, `EADDRINUSE`, …), where the error has one. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}
