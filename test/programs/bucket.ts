/** versitygw on a folder: a real S3 server for tests, built once from the Go module proxy. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { run } from '../e2e/cluster/command.ts';
import { type GoTool, goTool } from '../e2e/cluster/tools.ts';
import { freePort } from './port.ts';

const VERSITYGW: GoTool = {
  name: 'versitygw',
  module: 'github.com/versity/versitygw',
  version: 'v1.8.0',
  package: 'cmd/versitygw',
};

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A server with one bucket in it. */
export interface Bucket {
  /** `http://127.0.0.1:PORT`, or `https://…` with `tls`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly credentials: Credentials;
  /** A folder with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, as a mounted Secret would be. */
  readonly credentialsDirectory: string;
  /** Where the objects of the bucket lie as files. */
  readonly objects: string;
  /** `storage.s3` of a bootstrap document. */
  readonly place: { bucket: string; region: string; endpoint: string; credentialsDirectory: string };
  /** A client of the server with its administrator's credentials; the caller destroys it. */
  client(): S3Client;
  /** Makes another bucket beside the first. */
  create(bucket: string): Promise<void>;
  /** Makes a user who may not do anything yet. */
  addUser(): Promise<Credentials>;
  /** SIGKILL; `start` brings it back on the same port with everything that it kept. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes everything. */
  stop(): Promise<void>;
}

export interface BucketOptions {
  /** PEM files; plain HTTP without them. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

/** Builds versitygw where it is not there yet, starts it on a free port, and makes a bucket. */
export async function startBucket(options: BucketOptions = {}): Promise<Bucket> {
  const program = await goTool(VERSITYGW);
  const folder = await mkdtemp(join(tmpdir(), 'ne-bucket-'));
  const credentials = {
    accessKeyId: randomBytes(10).toString('hex'),
    secretAccessKey: randomBytes(20).toString('hex'),
  };
  for (const name of ['data', 'iam', 'credentials']) await mkdir(join(folder, name));
  const server = new Server(program, { folder, credentials, port: await freePort(), ...options });
  await server.start();
  const { endpoint } = server;
  const region = 'us-east-1';
  const bucket = 'registry';
  const credentialsDirectory = join(folder, 'credentials');
  await writeFile(join(credentialsDirectory, 'AWS_ACCESS_KEY_ID'), credentials.accessKeyId);
  await writeFile(join(credentialsDirectory, 'AWS_SECRET_ACCESS_KEY'), credentials.secretAccessKey);
  const client = () => new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  const create = async (name: string) => {
    const s3 = client();
    await s3.send(new CreateBucketCommand({ Bucket: name })).finally(() => s3.destroy());
  };
  await create(bucket);
  return {
    endpoint,
    region,
    bucket,
    credentials,
    credentialsDirectory,
    objects: join(folder, 'data', bucket),
    place: { bucket, region, endpoint, credentialsDirectory },
    client,
    create,
    addUser: () => server.addUser(),
    kill: () => server.end('SIGKILL'),
    start: () => server.start(),
    async stop() {
      await server.end('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface ServerParts extends BucketOptions {
  readonly folder: string;
  readonly credentials: Credentials;
  readonly port: number;
}

class Server {
  readonly endpoint: string;
  readonly #program: string;
  readonly #parts: ServerParts;
  #child: ChildProcess | undefined;
  #said = '';

  constructor(program: string, parts: ServerParts) {
    this.#program = program;
    this.#parts = parts;
    this.endpoint = `${parts.tls === undefined ? 'http' : 'https'}://127.0.0.1:${parts.port}`;
  }

  async start(): Promise<void> {
    const { folder, port, tls } = this.#parts;
    const certificate = tls === undefined ? [] : ['--cert', tls.certFile, '--key', tls.keyFile];
    const flags = ['--port', `127.0.0.1:${port}`, '--iam-dir', join(folder, 'iam'), '--keep-alive', '--quiet'];
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', this.#program, ...flags, ...certificate, 'posix', join(folder, 'data')],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, ...this.#environment() } },
    );
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        this.#said = (this.#said + text.toString()).slice(-4000);
      });
    await this.#answers(child, port);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const patience = setTimeout(() => child.kill('SIGKILL'), 3000);
    await gone;
    clearTimeout(patience);
  }

  async addUser(): Promise<Credentials> {
    const accessKeyId = randomBytes(10).toString('hex');
    const secretAccessKey = randomBytes(20).toString('hex');
    const { accessKeyId: access, secretAccessKey: secret } = this.#parts.credentials;
    const admin = [
      'admin',
      '--access',
      access,
      '--secret',
      secret,
      '--endpoint-url',
      this.endpoint,
      '--allow-insecure',
    ];
    await run(this.#program, [...admin, 'create-user', '-a', accessKeyId, '-s', secretAccessKey, '-r', 'user']);
    return { accessKeyId, secretAccessKey };
  }

  #environment(): Record<string, string> {
    const { accessKeyId, secretAccessKey } = this.#parts.credentials;
    return { ROOT_ACCESS_KEY_ID: accessKeyId, ROOT_SECRET_ACCESS_KEY: secretAccessKey };
  }

  async #answers(child: ChildProcess, port: number): Promise<void> {
    for (let attempt = 0; attempt < 1200; attempt++) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`versitygw ended with ${child.exitCode ?? child.signalCode}: ${this.#said}`);
      const open = await new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
        socket.once('connect', () => socket.destroy());
      });
      if (open) return;
      await sleep(50);
    }
    throw new Error(`versitygw does not listen at ${this.endpoint}: ${this.#said}`);
  }
}
