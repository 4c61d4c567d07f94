import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { StoreError } from '../store.ts';
import { type Failure, failureOf, unreachable } from './faults.ts';
import { type Access, readSecret, type Tls } from './secret.ts';

/** A statement that is sent again and again: prepared once for each connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface Server {
  readonly secretDirectory: string;
  readonly caFile?: string | undefined;
  readonly tls?: Exclude<Tls, 'VerifyCa'> | undefined;
  /** Where writes are never sent, so that a standby serves as well. */
  readonly readOnly: boolean;
}

/** How long one host may take to answer a connection, milliseconds. */
const CONNECT_TIMEOUT = 4000;
/** How long a statement may run on the server, and a row be waited for, milliseconds. */
const STATEMENT_TIMEOUT = 9000;
const LOCK_TIMEOUT = 5000;
/** When a server that says nothing at all is given up: it may have vanished with its network, milliseconds. */
const SILENCE_TIMEOUT = 10_000;

/** Every plan is a walk through indexes, whatever the planner has heard about the size of the tables so far. */
const SETTINGS = {
  search_path: 'ne_registry',
  statement_timeout: STATEMENT_TIMEOUT,
  lock_timeout: LOCK_TIMEOUT,
  idle_in_transaction_session_timeout: 60_000,
  default_transaction_isolation: 'read\\ committed',
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
};

/** What a query failed with, and what that means for the connection and for another attempt. */
export class QueryFailure extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.error.message, { cause: failure.error });
    this.failure = failure;
  }
}

/** One connection. Not for two at once. */
export class Session {
  #client: pg.Client;
  #lost = false;
  #warned = false;
  #onLost: (session: Session) => void;

  constructor(client: pg.Client, onLost: (session: Session) => void) {
    this.#client = client;
    this.#onLost = onLost;
    client.on('error', () => this.#lose()).on('end', () => this.#lose());
    // We cause no warning, so one says that a commit did not go as it should (no synchronous standby).
    // A notice, such as that of CREATE … IF NOT EXISTS, says nothing of the kind.
    client.on('notice', ({ severity }) => {
      if (severity === 'WARNING') this.#warned = true;
    });
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Runs a statement, prepared where it has a name. Throws QueryFailure. */
  async query<Row extends object>(statement: Statement | string, values: readonly unknown[] = []): Promise<Row[]> {
    this.#warned = false;
    const silence = setTimeout(() => this.destroy(), SILENCE_TIMEOUT + 1000);
    try {
      const query = typeof statement === 'string' ? { text: statement } : { ...statement };
      const result = await this.#client.query<Row & pg.QueryResultRow>({ ...query, values: [...values], types });
      if (this.#warned) throw new StoreError('io', unreplicated);
      return result.rows ?? [];
    } catch (error) {
      const failure = this.#failureOf(error);
      if (failure.lost) this.destroy();
      throw new QueryFailure(failure);
    } finally {
      clearTimeout(silence);
    }
  }

  /** After a warning it is committed here, whatever failed next. Sent again it would find itself done, and wait for no standby. */
  #failureOf(cause: unknown): Failure {
    const failure = failureOf(cause);
    if (!(this.#warned && (failure.again || failure.doubtful))) return failure;
    const error = new StoreError('io', unreplicated, { cause: failure.error });
    return { error, again: false, lost: failure.lost };
  }

  /** Ends it in order. */
  async close(): Promise<void> {
    if (!this.#lost) await this.#client.end().catch(() => undefined);
  }

  /** Cuts it off: what runs on it fails now. */
  destroy(): void {
    streamOf(this.#client).destroy();
    this.#lose();
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#onLost(this);
  }
}

const unreplicated =
  'PostgreSQL stored a write and then gave up waiting for its standby; it is not safe from a failover. Look at synchronous replication, and try again';

/** Values arrive as text. Everything counted fits a double: 2^53 bytes are 9 PB. */
const INT8 = 20;
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig;

/**
 * Connects to the first host that fits, with what the secret says now.
 * @throws StoreError that says what is wrong with which host
 */
export async function openSession(server: Server, onLost: (session: Session) => void): Promise<Session> {
  const access = await readSecret(server.secretDirectory);
  const ssl = await tlsOptions(server, access);
  let refused: StoreError | undefined;
  for (const { host, port } of access.hosts) {
    const client = new pg.Client({ ...clientOptions(access, server), host, port, ssl });
    try {
      return await usable(client, { onLost, writable: access.writable && !server.readOnly });
    } catch (error) {
      streamOf(client).destroy();
      const said = error instanceof StoreError ? error : unreachable(`${host}:${port}`, error);
      // With several hosts, one that takes no writes is as expected; what another one says tells more.
      if (refused === undefined || said.kind !== 'busy') refused = said;
    }
  }
  throw refused ?? new StoreError('io', `the PostgreSQL secret in ${server.secretDirectory} names no host`);
}

function clientOptions({ user, password, database }: Access, { readOnly }: Server): pg.ClientConfig {
  const settings = { ...SETTINGS, ...(readOnly ? { default_transaction_read_only: 'on' } : {}) };
  return {
    user,
    password,
    database,
    application_name: 'ne-registry',
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

async function usable(
  client: pg.Client,
  wanted: { writable: boolean; onLost: (session: Session) => void },
): Promise<Session> {
  client.on('error', () => undefined);
  await client.connect();
  const session = new Session(client, wanted.onLost);
  if (!wanted.writable) return session;
  const [row] = await session.query<{ only: string }>(`SELECT current_setting('transaction_read_only') AS only`);
  if (row?.only === 'on')
    throw new StoreError(
      'busy',
      `PostgreSQL at ${client.host}:${client.port} only reads; it is a standby, or not promoted yet. The secret must name the primary (CloudNativePG: the service that ends in -rw)`,
    );
  return session;
}

async function tlsOptions(server: Server, access: Access): Promise<pg.ClientConfig['ssl']> {
  const tls = server.tls ?? access.tls ?? 'VerifyFull';
  if (tls === 'Disable') return false;
  if (tls === 'Require') return { rejectUnauthorized: false };
  const ca = server.caFile === undefined ? undefined : await readAuthority(server.caFile);
  const options = ca === undefined ? { rejectUnauthorized: true } : { rejectUnauthorized: true, ca };
  return tls === 'VerifyCa' ? { ...options, checkServerIdentity: () => undefined } : options;
}

async function readAuthority(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new StoreError(
      'io',
      `the authority for TLS to PostgreSQL cannot be read (metadata.postgres.caFile): ${message}`,
    );
  }
}

/** The driver has no way to cut a connection off that hangs; its socket has. */
function streamOf(client: pg.Client): { destroy(): void } {
  return (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;
}
