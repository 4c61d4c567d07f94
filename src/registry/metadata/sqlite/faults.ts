import { StoreError, type StoreFault } from '../store.ts';

/** Primary result codes of SQLite, https://www.sqlite.org/rescode.html. */
const faults: Record<number, StoreFault> = {
  5: 'busy',
  6: 'busy',
  8: 'io',
  10: 'io',
  11: 'corrupt',
  13: 'full',
  14: 'io',
  26: 'corrupt',
};
const shmSize = 10 | (19 << 8);

const advice: Record<StoreFault, string> = {
  full: 'no space left for the metadata; give the volume more space. No restart is needed then',
  io: 'the metadata could not be read or written; check the volume and the kernel log',
  corrupt:
    'the metadata is damaged; stop the registry, run `ne-registry admin check`, and restore the newest backup. The blobs are not touched',
  busy: 'the metadata is locked by another program; try again',
  closed: 'the metadata store is closed; the registry is stopping',
};

/** A fault as it crosses the thread border. */
export interface Fault {
  readonly kind: StoreFault | 'bug';
  readonly message: string;
}

/** Names what SQLite said as one of the faults that the registry knows; anything else is a bug of ours and says so. */
export function faultOf(error: unknown): Fault {
  if (error instanceof StoreError) return { kind: error.kind, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  if (typeof code !== 'number') return { kind: 'bug', message };
  const kind = code === shmSize ? 'full' : faults[code & 0xff];
  if (kind === undefined) return { kind: 'bug', message: `SQLite ${code}: ${message}` };
  return { kind, message: `${advice[kind]} (SQLite ${code}: ${message})` };
}

/** The error to throw for a fault. */
export function errorOf(fault: Fault, cause?: unknown): Error {
  const options = cause === undefined ? undefined : { cause };
  return fault.kind === 'bug' ? new Error(fault.message, options) : new StoreError(fault.kind, fault.message, options);
}

/** Turns what SQLite throws into a StoreError; a bug stays what it is. */
export function storeError(error: unknown): Error {
  if (error instanceof StoreError) return error;
  const fault = faultOf(error);
  return fault.kind === 'bug' && error instanceof Error ? error : errorOf(fault, error);
}

export function closed(): StoreError {
  return new StoreError('closed', advice.closed);
}
