import { InvalidReference } from '../domain/oci/reference.ts';
import { isTransferError } from '../transfer/errors.ts';

/** What went wrong, fit for a user: says what, where and what to do next. Exit code 1. */
export class CliFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CliFailure';
  }
}

/** The command line itself is wrong. Exit code 2. */
export class UsageFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageFailure';
  }
}

export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const fileFaults: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOSPC: 'the disk is full; free some space and try again',
  EROFS: 'the file system is read-only',
  EISDIR: 'is a folder, and a file is needed',
  ENOTDIR: 'a part of the path is no folder',
  EDQUOT: 'your disk quota is used up',
};

/** One error as one line for the user, and the exit code. Never a stack trace. */
export function describeFailure(error: unknown): { message: string; exitCode: number } {
  if (error instanceof UsageFailure || error instanceof InvalidReference)
    return { message: error.message, exitCode: exitCodes.usage };
  if (isTransferError(error, 'Cancelled')) return { message: 'interrupted', exitCode: exitCodes.interrupted };
  if (error instanceof CliFailure || isTransferError(error))
    return { message: error.message, exitCode: exitCodes.failed };
  const { code, path, message } = (error ?? {}) as NodeJS.ErrnoException;
  const known = fileFaults[code ?? ''];
  if (known !== undefined) return { message: `${path ?? 'a file'}: ${known}`, exitCode: exitCodes.failed };
  return {
    message: `something unexpected: ${message ?? String(error)}. Please report it, with NE_DEBUG=1 set for the details`,
    exitCode: exitCodes.failed,
  };
}
