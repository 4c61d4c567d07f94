/** Real PostgreSQL servers for tests: a primary, optionally with TLS, and streaming standbys that can be promoted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { ensurePackages } from '../e2e/cluster/packages.ts';
import { freePort } from './port.ts';

const BIN = '/usr/lib/postgresql/15/bin';
const SUPERUSER = 'postgres';

export interface PostgresOptions {
  /** Lines of postgresql.conf, such as `['max_connections=20']`. */
  readonly settings?: readonly string[];
  /** False for tests that never lose power: nothing here does, a kill -9 of the server included. Default true. */
  readonly fsync?: boolean;
  /** PEM of the server's certificate and key: TLS is offered then, and demanded of everybody. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** A database of its own with an owner of its own, and the folder with the keys of a CloudNativePG Secret. */
export interface TestDatabase {
  readonly name: string;
  readonly user: string;
  readonly password: string;
  readonly uri: string;
  readonly secretDirectory: string;
}

/** Starts a server on a free port of 127.0.0.1, with its data in a temporary folder. Installs PostgreSQL 15 where it is missing. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  await ensurePackages(['postgresql-15']);
  const folder = await ownFolder();
  const password = randomBytes(18).toString('base64url');
  await writeOwned(join(folder, 'password'), password);
  const data = join(folder, 'data');
  const initdb = ['--no-sync', '-D', data, '-U', SUPERUSER, '-E', 'UTF8', '--locale=C.UTF-8', '-A', 'scram-sha-256'];
  await runOwned('initdb', [...initdb, '--pwfile', join(folder, 'password')]);
  if (options.tls !== undefined) {
    await writeOwned(join(data, 'server.crt'), options.tls.certificate);
    await writeOwned(join(data, 'server.key'), options.tls.key);
    const local = 'hostssl all all 127.0.0.1/32 scram-sha-256\n';
    await writeOwned(join(data, 'pg_hba.conf'), local);
  }
  const settings = [
    ...(options.fsync === false ? ['fsync=off', 'full_page_writes=off'] : []),
    ...(options.tls === undefined ? [] : ['ssl=on']),
    ...(options.settings ?? []),
  ];
  const server = new PostgresServer({ folder, password, settings });
  await server.start();
  return server;
}

interface Parts {
  readonly folder: string;
  readonly password: string;
  readonly settings: readonly string[];
}

export class PostgresServer {
  readonly host = '127.0.0.1';
  readonly superuserPassword: string;
  readonly folder: string;
  port = 0;
  #settings: readonly string[];
  #process: ChildProcess | undefined;

  constructor(parts: Parts) {
    this.folder = parts.folder;
    this.superuserPassword = parts.password;
    this.#settings = parts.settings;
  }

  get dataDirectory(): string {
    return join(this.folder, 'data');
  }

  /** The postmaster's process id while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it, on the port it had before where it had one; resolves when it answers. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.port === 0) this.port = await freePort();
      if (await this.#launch()) return;
      const log = await readFile(join(this.folder, 'log'), 'utf8').catch(() => '');
      if (attempt === 3) throw new Error(`PostgreSQL does not start:\n${log.slice(-3000)}`);
      if (/Address already in use/.test(log.slice(-1000))) this.port = 0;
    }
  }

  /** Ends it in order: open transactions are rolled back. */
  async stop(): Promise<void> {
    await this.#end('SIGINT');
  }

  /** Kills every process of it at once, as a machine that dies would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends it and removes its files. */
  async remove(): Promise<void> {
    await this.#end('SIGQUIT');
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Runs SQL as the superuser, each call on a connection of its own. */
  async query<Row extends pg.QueryResultRow>(sql: string, database = 'postgres'): Promise<Row[]> {
    const client = new pg.Client({ ...this.#superuser(), database });
    client.on('error', () => undefined);
    await client.connect();
    try {
      // Several statements have several results; the last one counts.
      const results = [await client.query<Row>(sql)].flat();
      return results.at(-1)?.rows ?? [];
    } finally {
      await client.end();
    }
  }

  /** Makes a database with an owner, and a folder with its Secret (removed with the server). */
  async database(name = `registry_${randomBytes(4).toString('hex')}`): Promise<TestDatabase> {
    const user = `${name}_owner`;
    const password = randomBytes(18).toString('base64url');
    await this.query(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'`);
    await this.query(`CREATE DATABASE ${name} OWNER ${user}`);
    const secretDirectory = join(this.folder, `secret-${name}`);
    await mkdir(secretDirectory);
    const uri = `postgresql://${user}:${password}@${this.host}:${this.port}/${name}`;
    const keys = { uri, host: this.host, port: `${this.port}`, dbname: name, username: user, password };
    for (const [key, value] of Object.entries(keys)) await writeFile(join(secretDirectory, key), value);
    return { name, user, password, uri, secretDirectory };
  }

  /** A copy of this server that follows it. `synchronous`: this server acknowledges nothing that the copy does not have. */
  async standby(options: { synchronous?: boolean } = {}): Promise<PostgresServer> {
    const folder = await ownFolder();
    const data = join(folder, 'data');
    const source = `host=${this.host} port=${this.port} user=${SUPERUSER} password=${this.superuserPassword} application_name=standby`;
    await runOwned('pg_basebackup', ['-D', data, '-R', '-X', 'stream', '--no-sync', '-c', 'fast', '-d', source]);
    const copy = new PostgresServer({ folder, password: this.superuserPassword, settings: this.#settings });
    await copy.start();
    if (options.synchronous === true) await this.#waitForStandby();
    return copy;
  }

  /** Makes a standby the primary; resolves when it takes writes. */
  async promote(): Promise<void> {
    await this.query('SELECT pg_promote(true, 60)');
  }

  #superuser() {
    return {
      host: this.host,
      port: this.port,
      user: SUPERUSER,
      password: this.superuserPassword,
      connectionTimeoutMillis: 5000,
      options: '-c default_transaction_read_only=off',
      ssl: this.#settings.includes('ssl=on') ? { rejectUnauthorized: false } : false,
    } as const;
  }

  async #waitForStandby(): Promise<void> {
    await this.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
    await this.query('SELECT pg_reload_conf()');
    for (let left = 600; left > 0; left -= 1) {
      const [row] = await this.query<{ state: string }>('SELECT sync_state AS state FROM pg_stat_replication');
      if (row?.state === 'sync') return;
      await wait(100);
    }
    throw new Error('the standby did not become synchronous within a minute');
  }

  async #launch(): Promise<boolean> {
    const settings = [
      'listen_addresses=127.0.0.1',
      `port=${this.port}`,
      'unix_socket_directories=',
      'shared_buffers=32MB',
      'max_wal_senders=4',
      ...this.#settings,
    ];
    const args = ['-D', this.dataDirectory, ...settings.flatMap((setting) => ['-c', setting])];
    const log = join(this.folder, 'log');
    const script = `exec "$0" "$@" >> '${log}' 2>&1`;
    const child = spawn('/bin/sh', ['-c', script, join(BIN, 'postgres'), ...args], {
      stdio: 'ignore',
      ...(await owner()),
    });
    this.#process = child;
    // A test that dies leaves no server behind.
    const reap = () => child.kill('SIGQUIT');
    process.once('exit', reap);
    child.once('exit', () => process.off('exit', reap));
    for (let left = 1200; left > 0 && child.exitCode === null && child.signalCode === null; left -= 1) {
      if (await this.#answers()) return true;
      await wait(50);
    }
    child.kill('SIGQUIT');
    return false;
  }

  async #answers(): Promise<boolean> {
    try {
      await this.query('SELECT 1');
      return true;
    } catch {
      return false;
    }
  }

  async #end(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    const children = signal === 'SIGKILL' ? await childrenOf(child.pid ?? 0) : [];
    child.kill(signal);
    for (const pid of children) killQuietly(pid);
    await exited;
    for (const pid of children) await gone(pid);
  }
}

/** Processes that the postmaster started: each of its children leads a session of its own, so that no group signal reaches them. */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.trim().split(' ').filter(Boolean).map(Number);
}

function killQuietly(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  while (killQuietly(pid)) await wait(10);
}

async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ne-registry-postgres-'));
  const { uid, gid } = await owner();
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
  return folder;
}

async function writeOwned(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  const { uid, gid } = await owner();
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

/** PostgreSQL refuses to run as root: it runs as the user that its Debian package made. */
async function owner(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((one) => one.startsWith('postgres:'));
  if (line === undefined) throw new Error('the Debian package of PostgreSQL made no user postgres');
  const [, , uid, gid] = line.split(':').map(Number);
  return { uid: uid ?? 0, gid: gid ?? 0 };
}

async function runOwned(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(join(BIN, program), args, { stdio: ['ignore', 'ignore', 'pipe'], ...(await owner()) });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.trim()}`);
}
