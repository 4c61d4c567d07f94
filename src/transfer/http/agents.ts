import { createHash } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { hostnameOf, isLoopback } from './address.ts';
import type { HostTrust } from './wire.ts';

export interface AgentOptions {
  readonly url: URL;
  readonly trust: HostTrust;
  /** PEM certificates trusted for every host. */
  readonly authorities?: (() => readonly string[]) | undefined;
  /** See WireOptions. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>> | undefined;
  readonly maxSockets: number;
}

/** Two requests whose keys are equal may share a connection. `numberOf` stands for objects that are compared by identity. */
export function agentKey(options: AgentOptions, numberOf: (object: object) => number): string {
  const { url, trust, authorities, proxyEnv, maxSockets } = options;
  const identities = [authorities, proxyEnv].map((object) => (object === undefined ? 0 : numberOf(object)));
  const settings = JSON.stringify([trust, identities, maxSockets]);
  return `${url.protocol}//${url.host} ${createHash('sha256').update(settings).digest('base64url')}`;
}

/** The pooled connections to one host: its certificates, its proxy, the address where it is dialled. */
export function makeAgent(options: AgentOptions): HttpAgent {
  const { url, trust, maxSockets } = options;
  const pooling = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets, ...proxying(options) };
  const agent =
    url.protocol === 'https:' ? new HttpsAgent({ ...pooling, ...tlsOptions(options) }) : new HttpAgent(pooling);
  return trust.address === undefined ? agent : dialling(agent, url, trust.address);
}

/** Whom to trust, and who we are. */
export function tlsOptions({ trust, authorities }: Pick<AgentOptions, 'trust' | 'authorities'>): object {
  const ca = [...(authorities?.() ?? []), ...(trust.ca ?? [])];
  return {
    ...(ca.length === 0 ? {} : { ca }),
    ...(trust.cert === undefined ? {} : { cert: trust.cert, key: trust.key }),
    ...(trust.insecure === true ? { rejectUnauthorized: false } : {}),
  };
}

/** A proxy of the host's own is used for whatever it is; the environment's not for this machine. */
function proxying({ url, trust, proxyEnv }: AgentOptions): object {
  if (trust.address !== undefined) return {};
  if (trust.proxy !== undefined) return { proxyEnv: { HTTP_PROXY: trust.proxy, HTTPS_PROXY: trust.proxy } };
  return isLoopback(url.host) || proxyEnv === undefined ? {} : { proxyEnv };
}

type CreateConnection = HttpAgent['createConnection'];

/** Connects to `address` (`host[:port]`); the certificate and the Host header are those of the URL all the same. */
function dialling(agent: HttpAgent, url: URL, address: string): HttpAgent {
  const { host, port } = dialled(url, address);
  const connect = agent.createConnection.bind(agent) as CreateConnection;
  agent.createConnection = (options, onConnected) =>
    connect({ ...options, host, port, servername: hostnameOf(url.host) } as typeof options, onConnected);
  return agent;
}

/** Where a URL is connected to: itself, or an address that stands for it. */
export function dialled(url: URL, address: string | undefined): { host: string; port: number } {
  if (address === undefined) return { host: hostnameOf(url.host), port: portOf(url) };
  const port = /:(\d+)$/.exec(address.replace(/^\[[^\]]*\]/, ''))?.[1];
  return { host: hostnameOf(address), port: port === undefined ? portOf(url) : Number(port) };
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}
