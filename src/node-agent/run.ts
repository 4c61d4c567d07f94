/**
 * The agent that one Registry runs on every node under `nodeAccess: Configure`: it writes containerd's configuration for
 * the Registry's host, keeps it in shape, and is ready when the route it wrote works. When it is told to stop it leaves
 * what it wrote, since a restart must not take images away; `remove` takes it back.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fatal, messageOf } from '../platform/fatal.ts';
import { createLog, type Log } from '../platform/log.ts';
import { onShutdown } from '../platform/shutdown.ts';
import { removeHosts, writeHost } from './folder.ts';
import { type HostsFile, routeThrough } from './hosts-file.ts';
import { tryRoute } from './route.ts';

export interface NodeAgentOptions {
  /** The Registry, `namespace/name`. */
  readonly owner: string;
  /** The node's `certs.d`, as it is mounted here. */
  readonly directory: string;
  /** The registry's URL, `https://registry.bank.example`. */
  readonly server: string;
  /** The node's own address. */
  readonly nodeAddress: string | undefined;
  /** Port on the node that leads to the registry; none where its certificate is not for nodes. */
  readonly nodePort: number | undefined;
  /** PEM file with what to trust; none where nodes trust the registry already. */
  readonly caFile: string | undefined;
  /** `:port` for /readyz. */
  readonly listen: string;
  /** Take back what was written instead of writing. */
  readonly remove: boolean;
}

/** Milliseconds between two looks, while the route is not proven and after. */
const pause = { unproven: 1000, proven: 10_000 } as const;

/** Runs until a signal asks it to stop; gives the exit code. Throws Fatal where it cannot do its work. */
export async function runNodeAgent(options: NodeAgentOptions): Promise<number> {
  const log = createLog({ base: { program: 'node-agent' } });
  const state = { ready: false };
  const close = await serveReadiness(options.listen, state);
  const stopping = new AbortController();
  const work = options.remove ? takeBack(options, state, log) : keep(options, { state, log, signal: stopping.signal });
  const stopped = onShutdown(log, [
    { name: 'work', run: () => stopping.abort() },
    { name: 'listener', run: close },
  ]);
  // Work that fails ends the agent; work that is done leaves it waiting for the signal.
  return await Promise.race([stopped, work.then(() => stopped)]);
}

async function takeBack({ directory, owner }: NodeAgentOptions, state: { ready: boolean }, log: Log): Promise<void> {
  const removed = await removeHosts(directory, owner);
  log.info({ owner, removed }, 'removed what was written on this node');
  state.ready = true;
}

interface Proof {
  /** The route and bundle that were seen to work. */
  for?: string;
  /** Why they do not, as it was last logged. */
  complaint?: string | undefined;
}

async function keep(
  options: NodeAgentOptions,
  { state, log, signal }: { state: { ready: boolean }; log: Log; signal: AbortSignal },
): Promise<void> {
  const route = routeOf(options);
  const proof: Proof = {};
  while (!signal.aborted) {
    state.ready = await round({ ...options, route, log }, proof);
    await sleep(state.ready ? pause.proven : pause.unproven, undefined, { signal }).catch(() => undefined);
  }
}

/** Writes what is to be written, and gives whether the route to the registry was seen to work since it last changed. */
async function round(
  { server, owner, directory, caFile, route, log }: NodeAgentOptions & { route: string | undefined; log: Log },
  proof: Proof,
): Promise<boolean> {
  const bundle = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
  const file: HostsFile = { owner, server, route, trusted: bundle !== undefined };
  if (await writeHost(directory, file, bundle)) log.info({ server, route }, 'wrote the host configuration');
  const wanted = `${route} ${bundle}`;
  if (route === undefined || proof.for === wanted) return true;
  const why = await refutes(route, bundle);
  if (why !== undefined && why !== proof.complaint) {
    log.warn({ route, why }, 'the route does not lead to the registry yet');
  }
  proof.complaint = why;
  if (why === undefined) proof.for = wanted;
  return why === undefined;
}

function routeOf({ server, nodeAddress, nodePort }: NodeAgentOptions): string | undefined {
  if (nodePort === undefined) return undefined;
  if (nodeAddress === undefined || nodeAddress === '') {
    throw new Fatal('NODE_IP is not set: the agent needs the address of its node', { exit: 'usage' });
  }
  return routeThrough(server, nodeAddress, nodePort);
}

/** Why the route does not work, or undefined when it does. */
async function refutes(route: string, bundle: string | undefined): Promise<string | undefined> {
  try {
    await tryRoute(route, bundle);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function serveReadiness(listen: string, state: { ready: boolean }): Promise<() => void> {
  const server = createServer((_request, response) => {
    response
      .writeHead(state.ready ? 200 : 503, { 'content-type': 'text/plain' })
      .end(state.ready ? 'ok\n' : 'not yet\n');
  });
  const port = Number(/^:(\d+)$/.exec(listen)?.[1] ?? Number.NaN);
  if (Number.isNaN(port)) throw new Fatal(`--listen ${listen} is not ":port"`, { exit: 'usage' });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new Fatal(`cannot listen on ${listen}: ${cause.message}`, { cause })));
    server.listen(port, resolve);
  });
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
