/** The operator program: puts its rooms together, leads, reconciles, and stops without leaving work half done. */
import { randomBytes } from 'node:crypto';
import { Fatal, messageOf } from '../platform/fatal.ts';
import { createLog, type LogLevel } from '../platform/log.ts';
import { createMetrics } from '../platform/metrics.ts';
import { settle } from '../platform/settle.ts';
import { onShutdown } from '../platform/shutdown.ts';
import { version } from '../platform/version.ts';
import { startControllers } from './controllers.ts';
import { inventoryMetrics } from './inventory/metrics.ts';
import type { ReporterRef } from './inventory/remote.ts';
import { type Connection, defaultConnection } from './kube/connection.ts';
import { HttpKubeClient } from './kube/http-client.ts';
import { requestMetrics } from './kube/metrics.ts';
import { Transport } from './kube/transport.ts';
import { Health, serveManagement } from './management.ts';
import { LeaderElector } from './runtime/leader.ts';
import { runtimeMetrics } from './runtime/metrics.ts';

export interface OperatorOptions {
  /** Namespaces to look after; none means all of them. */
  readonly namespaces: readonly string[];
  /** Image of Registries whose `spec.image` names none. */
  readonly image: string;
  /** `host:port` or `:port` for /metrics, /healthz and /readyz. */
  readonly listen: string;
  /** Whether to wait for a Lease before doing anything. */
  readonly leaderElect: boolean;
  /** Name of the Lease. */
  readonly leaseName: string;
  /** The operator's own namespace, for the Lease; by default that of the connection. */
  readonly ownNamespace?: string | undefined;
  /** Name of this process in Leases and events, for example the pod's. */
  readonly identity?: string | undefined;
  /** Registries that are reconciled at the same time. */
  readonly concurrency: number;
  /** Secrets that name registries of other clusters which this one reports to, `namespace/name`. */
  readonly reportTo: readonly ReporterRef[];
  readonly logLevel: LogLevel;
  readonly env: NodeJS.ProcessEnv;
}

/** Runs until a signal asks it to stop; gives the exit code. Throws Fatal where it cannot start. */
export async function runOperator(options: OperatorOptions): Promise<number> {
  const log = createLog({ level: options.logLevel, base: { program: 'operator' } });
  const registry = createMetrics();
  const metrics = runtimeMetrics(registry);
  const inventory = inventoryMetrics(registry);
  const observe = requestMetrics(registry);
  const connection = connect(options.env);
  const userAgent = `ne-registry-operator/${version}`;
  const client = new HttpKubeClient(new Transport(connection, { userAgent, observe }));
  const ownNamespace = options.ownNamespace ?? connection.namespace();
  const identity = `${options.identity ?? 'operator'}_${randomBytes(4).toString('hex')}`;
  const health = new Health();
  const management = await serveManagement(options.listen, registry, health);

  const work = (signal: AbortSignal, leads: () => boolean): Promise<void> =>
    startControllers({
      ...options,
      client,
      ownNamespace,
      identity,
      log,
      metrics,
      inventoryMetrics: inventory,
      signal,
      leads,
    });
  // A lease that is about to end must not wait for a slow answer: no retries, and an answer in time or none.
  const leaseClient = new HttpKubeClient(
    new Transport(connection, { userAgent, observe, retries: 0, timeoutMs: 5000 }),
  );
  const lead = options.leaderElect
    ? leading(
        new LeaderElector({
          client: leaseClient,
          namespace: ownNamespace ?? 'default',
          name: options.leaseName,
          identity,
          log,
          metrics,
        }),
        work,
      )
    : alone(work);

  // A standby is ready: it takes over within seconds, and must not hold up a rollout of its Deployment.
  health.ready = true;
  log.info({ version, namespaces: options.namespaces, image: options.image, identity }, 'operator started');
  await settle();
  const ended = lead.done.then(
    () => undefined,
    (error: unknown) => error,
  );
  let asked = false;
  const stop = (): Promise<void> => {
    asked = true;
    return lead.stop();
  };
  const stopped = onShutdown(log, [
    { name: 'work and lease', run: stop },
    { name: 'management listener', run: () => management.close() },
  ]);
  const first = await Promise.race([stopped, ended]);
  // Leading ends before the rest of an orderly stop does.
  if (asked || typeof first === 'number') return await stopped;
  const code = await Promise.race([stopped, lead.stop().then(() => undefined)]);
  if (code !== undefined) return code;
  throw new Fatal(`the operator no longer leads: ${messageOf(first ?? 'its work ended')}; it starts anew`);
}

interface Lead {
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

function leading(elector: LeaderElector, work: (signal: AbortSignal, leads: () => boolean) => Promise<void>): Lead {
  const done = elector.run((signal) => work(signal, () => elector.leads()));
  return { done, stop: () => elector.stop() };
}

/** Without election: for a single process, and for tests. */
function alone(work: (signal: AbortSignal, leads: () => boolean) => Promise<void>): Lead {
  const stopping = new AbortController();
  const done = work(stopping.signal, () => !stopping.signal.aborted);
  return {
    done,
    stop: async () => {
      stopping.abort(new Error('stopping'));
      await done.catch(() => undefined);
    },
  };
}

function connect(env: NodeJS.ProcessEnv): Connection {
  try {
    return defaultConnection(env);
  } catch (error) {
    throw new Fatal(`cannot connect to a cluster: ${messageOf(error)}`, { exit: 'usage', cause: error });
  }
}
