import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';
import { type Bucket, startBucket } from '../../programs/bucket.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../programs/postgres.ts';
import { listening, run, type Server } from '../registry/server.ts';

const program = join(import.meta.dirname, '../../../bin/ne-registry.js');

/** One `ne-registry serve` among several that share a database and a bucket. */
export type Replica = Pick<Server, 'url' | 'authorization' | 'pid' | 'log' | 'rss' | 'stop' | 'kill'>;

/** A database, a bucket, and what every replica is configured with. */
export interface Fleet {
  readonly postgres: PostgresServer;
  readonly database: TestDatabase;
  readonly bucket: Bucket;
  /** Starts one more replica, with its own workers' part of the document where one is given. One that only works has but metrics and health. */
  start(workers?: Workers): Promise<Replica>;
  /** Ends everything and removes what it kept. */
  discard(): Promise<void>;
}

type Workers = RegistryBootstrapInput['workers'];

export interface FleetOptions {
  /** Parts of the bootstrap document that differ from the defaults. */
  readonly document?: object;
  /** Reach the bucket here instead: through a proxy that fails on purpose. */
  readonly endpointOf?: (bucket: Bucket) => Promise<string>;
}

const user = 'tester';

export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const folder = mkdtempSync(join(tmpdir(), 'ne-fleet-'));
  const postgres = await startPostgres({ fsync: false });
  const database = await postgres.database();
  const bucket = await startBucket();
  const endpoint = (await options.endpointOf?.(bucket)) ?? bucket.endpoint;
  const password = randomBytes(18).toString('base64url');
  const config = await writeConfiguration(folder, {
    database,
    bucket,
    endpoint,
    password,
    more: options.document ?? {},
  });
  const replicas = new Set<ChildProcess>();
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return {
    postgres,
    database,
    bucket,
    start: (workers) => startReplica(config(workers), authorization, replicas),
    discard: async () => {
      for (const child of replicas) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await bucket.stop();
      await postgres.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Parts {
  readonly database: TestDatabase;
  readonly bucket: Bucket;
  readonly endpoint: string;
  readonly password: string;
  readonly more: object;
}

/** Answers what writes the document of a replica, and names the file. */
async function writeConfiguration(folder: string, parts: Parts): Promise<(workers: Workers) => string> {
  const { database, bucket, endpoint, password } = parts;
  const key = join(folder, 'token.key');
  writeFileSync(key, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  const users = join(folder, 'users');
  mkdirSync(users);
  const made = await run(['admin', 'create-user', user, '--data', users, '--password-stdin'], password);
  if (made.code !== 0) throw new Error(`create-user failed: ${made.stderr}${made.stdout}`);
  const document = {
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    listen: { api: '127.0.0.1:0' },
    storage: { s3: { ...bucket.place, endpoint } },
    metadata: { postgres: { secretDirectory: database.secretDirectory, tls: 'Disable' } },
    auth: {
      htpasswdFiles: [join(users, 'htpasswd')],
      administrators: [user],
      token: { privateKeyFile: key },
    },
    ...parts.more,
  };
  return (workers) => {
    const file = join(folder, `${workers?.run ?? 'config'}-${workers?.concurrency ?? 0}.yaml`);
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(workers === undefined ? document : { ...document, workers }));
    return file;
  };
}

async function startReplica(config: string, authorization: string, replicas: Set<ChildProcess>): Promise<Replica> {
  const child = spawn(process.execPath, [program, 'serve', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  replicas.add(child);
  const log: string[] = [];
  const url = `http://${await listening(child, log)}`;
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return (await exited)[0];
  };
  return {
    url,
    authorization,
    pid: child.pid ?? 0,
    log,
    rss: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  };
}
