import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../programs/port.ts';
import { attempt, type CommandResult } from './command.ts';
import { KUBE } from './programs.ts';
import { goTool } from './tools.ts';

/** What the API server answered: the HTTP status and the JSON document (a `Status` when it refused). */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API server says
  readonly body: any;
}

/** A real API server with an etcd behind it, and nothing else: no node, no controller, no namespace but `default`. */
export interface BareApiServer {
  readonly url: string;
  /** Path of a kubeconfig for its administrator; goes away with `stop`. */
  readonly kubeconfig: string;
  /** Sends one request as its administrator; patches are server-side applies unless `contentType` says otherwise. */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer>;
  /** Runs kubectl against it. */
  kubectl(args: readonly string[], input?: string): Promise<CommandResult>;
  /** Kills the API server, as a crash would, and settles when it has gone; etcd stays. */
  crash(): Promise<void>;
  /** Starts it again after `crash`, at the same address. */
  restart(): Promise<void>;
  /** Kills both programs and removes their state. */
  stop(): Promise<void>;
}

/**
 * Starts etcd and kube-apiserver on ports of their own on the loopback address, as an ordinary user; takes about five
 * seconds. For what a schema, a CEL rule or a client does: nothing runs on it.
 */
export async function startBareApiServer(): Promise<BareApiServer> {
  const kube = await goTool(KUBE);
  const dir = await mkdtemp(join(tmpdir(), 'ne-apiserver-'));
  const children: ChildProcess[] = [];
  const stop = async () => {
    // Newest first: an API server that loses its etcd fills its log while it dies.
    for (const child of children.toReversed()) await kill(child);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://127.0.0.1:${etcdPort}`;
    children.push(start(dir, 'etcd', ['etcd', ...etcdFlags(dir, etcd, `http://127.0.0.1:${peerPort}`)]));
    const token = await writeSecrets(dir);
    const startServer = () => {
      children[1] = start(dir, 'kube-apiserver', [kube, 'kube-apiserver', ...apiServerFlags(dir, etcd, port)]);
    };
    startServer();
    return await connect({ dir, kube, url: `https://127.0.0.1:${port}`, token, children, startServer, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Started {
  readonly dir: string;
  readonly kube: string;
  readonly url: string;
  readonly token: string;
  /** etcd, then the API server. */
  readonly children: readonly ChildProcess[];
  readonly startServer: () => void;
  readonly stop: () => Promise<void>;
}

async function connect({ dir, kube, url, token, children, startServer, stop }: Started): Promise<BareApiServer> {
  const ca = await untilDefined(children, dir, () =>
    readFile(join(dir, 'apiserver.crt'), 'utf8').catch(() => undefined),
  );
  const kubeconfig = join(dir, 'kubeconfig');
  await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(url, ca, token)), { mode: 0o600 });
  const request: BareApiServer['request'] = (method, path, body, contentType) =>
    send({ url: url + path, method, ca, token, body, contentType });
  const ready = async () => {
    await untilDefined(children, dir, async () => {
      // The namespace is made in the background, and being ready does not wait for it.
      for (const path of ['/readyz', '/api/v1/namespaces/default'])
        if ((await request('GET', path).catch(() => undefined))?.status !== 200) return undefined;
      return true;
    });
  };
  await ready();
  const crash = async () => {
    if (children[1] !== undefined) await kill(children[1]);
  };
  const restart = async () => {
    startServer();
    await ready();
  };
  const kubectl: BareApiServer['kubectl'] = (args, input) =>
    attempt(kube, ['kubectl', '--kubeconfig', kubeconfig, ...args], {
      ...(input === undefined ? {} : { input }),
      // kubectl caches what it discovers; a stale cache would hide a CRD.
      env: { KUBECACHEDIR: join(dir, 'kubecache') },
    });
  return { url, kubeconfig, request, kubectl, crash, restart, stop };
}

function etcdFlags(dir: string, client: string, peer: string): readonly string[] {
  return [
    `--data-dir=${join(dir, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // The state dies with the test; waiting for the disk would only slow it down.
    '--unsafe-no-fsync',
  ];
}

function apiServerFlags(dir: string, etcd: string, port: number): readonly string[] {
  return [
    `--etcd-servers=${etcd}`,
    `--secure-port=${port}`,
    '--bind-address=127.0.0.1',
    // It makes its own certificate there, which is also the authority that signed it.
    `--cert-dir=${dir}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    `--token-auth-file=${join(dir, 'tokens.csv')}`,
    `--service-account-key-file=${join(dir, 'sa.key')}`,
    `--service-account-signing-key-file=${join(dir, 'sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--authorization-mode=RBAC',
    // Nobody makes the `default` ServiceAccount that this plugin asks for.
    '--disable-admission-plugins=ServiceAccount',
  ];
}

/** Writes the administrator's token and the key of ServiceAccounts, both new; answers the token. */
async function writeSecrets(dir: string): Promise<string> {
  const token = randomBytes(24).toString('hex');
  await writeFile(join(dir, 'tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(dir, 'sa.key'), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  return token;
}

function kubeconfigOf(server: string, ca: string, token: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'bare',
    contexts: [{ name: 'bare', context: { cluster: 'bare', user: 'admin', namespace: 'default' } }],
    clusters: [{ name: 'bare', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name: 'admin', user: { token } }],
  };
}

/** Starts a program that the kernel kills when this process dies, however it dies. */
function start(dir: string, name: string, command: readonly string[]): ChildProcess {
  const log = openSync(join(dir, `${name}.log`), 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['ignore', log, log] });
  child.on('error', () => undefined);
  closeSync(log);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

async function untilDefined<T>(
  children: readonly ChildProcess[],
  dir: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const started = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    const ended = children.some((child) => child.pid === undefined || child.exitCode !== null);
    if (ended || Date.now() - started > 120_000)
      throw new Error(`the API server does not start:\n${await lastWords(dir)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function lastWords(dir: string): Promise<string> {
  const logs = ['etcd', 'kube-apiserver'].map(async (name) => {
    const text = await readFile(join(dir, `${name}.log`), 'utf8').catch(() => '(it could not be started)');
    return `${name}: ${text.trim().split('\n').slice(-5).join('\n')}`;
  });
  return (await Promise.all(logs)).join('\n');
}

interface Outgoing {
  readonly url: string;
  readonly method: string;
  readonly ca: string;
  readonly token: string;
  readonly body: unknown;
  readonly contentType: string | undefined;
}

function send({ url, method, ca, token, body, contentType }: Outgoing): Promise<Answer> {
  const type = contentType ?? (method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json');
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      url,
      { method, ca, agent: false, headers: { authorization: `Bearer ${token}`, 'content-type': type } },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, body: parse(Buffer.concat(chunks).toString()) }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
