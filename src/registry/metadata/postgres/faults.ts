import { StoreError, type StoreFault } from '../store.ts';

/** What became of a statement that failed: whether it may be sent again, and whether its connection is good for more. */
export interface Failure {
  readonly error: Error;
  /** Certainly nothing was committed, and another attempt may go better. What comes after a warning is `Session`'s to judge. */
  readonly again: boolean;
  /** The connection must not be used any more. */
  readonly lost: boolean;
  /** Nobody knows whether it was committed: what may be done twice may be sent again. */
  readonly doubtful?: boolean;
}

interface Known {
  readonly kind: StoreFault;
  readonly advice: string;
  readonly again?: boolean;
  readonly lost?: boolean;
}

const elsewhere = { kind: 'busy', again: true, lost: true } as const;
const starting = { ...elsewhere, advice: 'PostgreSQL is starting, stopping or failing over; it is tried again' };
const standby = { ...elsewhere, advice: 'this PostgreSQL server only reads; the new primary is looked for' };
const contended = { kind: 'busy', again: true, advice: 'too many writes wanted the same rows; try again' } as const;
const slow = {
  kind: 'busy',
  advice: 'PostgreSQL was too slow; look at its load and its locks, and try again',
} as const;
const disk = {
  kind: 'full',
  advice: 'the disk of PostgreSQL is full; give its volume more space. No restart is needed then',
} as const;
const credentials = {
  kind: 'io',
  lost: true,
  advice: 'PostgreSQL refuses the user or its password; compare the Secret with the role',
} as const;

/** SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html; a class (two letters) where the rest matters not. */
const known: Readonly<Record<string, Known>> = {
  '25006': standby,
  '28': credentials,
  '3D000': {
    kind: 'io',
    lost: true,
    advice: 'the database does not exist; create it, owned by the user of the Secret',
  },
  '40001': contended,
  '40P01': contended,
  '40003': { kind: 'io', lost: true, advice: 'whether it was stored is not known; try again' },
  '42501': {
    kind: 'io',
    advice: 'the user lacks a right; it must own the database, or the schema ne_registry and all in it',
  },
  '53100': disk,
  '53200': { kind: 'busy', advice: 'PostgreSQL is out of memory; give it more' },
  '53300': {
    ...elsewhere,
    advice: 'PostgreSQL has no connection left; raise max_connections, or lower metadata.postgres.poolSize',
  },
  '53400': { kind: 'busy', advice: 'PostgreSQL reached a limit that it was configured with; raise it' },
  '55P03': slow,
  '57014': slow,
  '57P': starting,
  '58': { kind: 'io', advice: 'PostgreSQL could not read or write its files; look at its log and its volume' },
  '08': { kind: 'io', lost: true, advice: 'the connection to PostgreSQL broke; it is made again' },
  XX001: {
    kind: 'corrupt',
    advice: 'the database is damaged; restore it from a backup. The blobs are not touched',
  },
  XX002: { kind: 'corrupt', advice: 'an index of the database is damaged; run REINDEX' },
};

/** Names what PostgreSQL said; what it does not foresee is a bug of ours and stays what it is. */
export function failureOf(error: unknown): Failure {
  if (error instanceof StoreError) return { error, again: false, lost: false };
  const { code, message, severity } = error as { code?: unknown; message: string; severity?: string };
  const fatal = severity === 'FATAL' || severity === 'PANIC';
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return brokenConnection(error);
  const fault = known[code] ?? known[code.slice(0, 3)] ?? known[code.slice(0, 2)];
  if (fault === undefined)
    return { error: new Error(`PostgreSQL ${code}: ${message}`, { cause: error }), again: false, lost: fatal };
  const { kind, advice, again = false, lost = false } = fault;
  const named = new StoreError(kind, `${advice} (PostgreSQL ${code}: ${message})`, { cause: error });
  return { error: named, again, lost: lost || fatal, doubtful: code.startsWith('08') || code === '40003' };
}

/** Everything that has no SQLSTATE comes from the socket, or from the driver about it: nobody knows what the server still did. */
function brokenConnection(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const text = `the connection to PostgreSQL broke (${message}); whether it was stored is not known. It is made again; try again`;
  return { error: new StoreError('io', text, { cause: error }), again: false, lost: true, doubtful: true };
}

/** A connection could not be made at all: nothing was sent. */
export function unreachable(where: string, error: unknown): StoreError {
  const { code, message } = error as { code?: unknown; message: string };
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return failureOf(error).error as StoreError;
  if (typeof code === 'string' && /CERT|SELF_SIGNED|VERIFY|ISSUER|ALTNAME|SSL|TLS/.test(code))
    return new StoreError(
      'io',
      `TLS to PostgreSQL at ${where} failed: ${message}; does caFile hold the authority that signed its certificate, and does the certificate name this host?`,
      { cause: error },
    );
  if (/does not support SSL/.test(message))
    return new StoreError(
      'io',
      `PostgreSQL at ${where} offers no TLS; turn it on there, or set metadata.postgres.tls to Disable where the network is trusted`,
    );
  return new StoreError(
    'busy',
    `PostgreSQL at ${where} cannot be reached: ${message}; is it running, and may this pod talk to it?`,
    { cause: error },
  );
}

export function closed(): StoreError {
  return new StoreError('closed', 'the metadata store is closed; the registry is stopping');
}
