import { Refusal } from '../../../domain/errors.ts';
import { StoreError } from '../../metadata/store.ts';

/** Seconds after which a client may try again when there is no space: somebody has to free some first. */
const RETRY_AFTER = '30';
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS']);

/** What a client hears when its bytes find no room. The upload stays, so that it can be resumed. */
export function noSpace(cause?: unknown): Refusal {
  const message = 'the registry has no storage space left for this upload; its volume must grow, then try again';
  return new Refusal('TOOMANYREQUESTS', message, { headers: { 'Retry-After': RETRY_AFTER }, cause });
}

/** Names what the file system said. Refusals pass through. */
export function storageError(error: unknown, doing: string): Error {
  if (error instanceof Refusal || error instanceof StoreError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error as Error;
  if (FULL.has(code)) return noSpace(error);
  const limit = code === 'EMFILE' || code === 'ENFILE';
  const advice = limit ? 'too many open files; raise the limit (ulimit -n)' : 'check the volume and the kernel log';
  return new StoreError('io', `${doing} failed: ${message}; ${advice}`, { cause: error });
}

/** The data directory cannot be used: who we are, and what to do. */
export function unusableDirectory(directory: string, error: unknown): StoreError {
  const { code, message } = error as NodeJS.ErrnoException;
  const who = `user ${process.getuid?.() ?? '?'}, group ${process.getgid?.() ?? '?'}`;
  const advice = DENIED.has(code ?? '')
    ? `make it writable for that user (chown, or fsGroup in Kubernetes), or choose another directory`
    : FULL.has(code ?? '')
      ? 'free some space, or give the volume more'
      : 'check the path and the volume';
  const kind = FULL.has(code ?? '') ? 'full' : 'io';
  return new StoreError(kind, `the data directory ${directory} cannot be written by ${who}: ${message}; ${advice}`, {
    cause: error,
  });
}
