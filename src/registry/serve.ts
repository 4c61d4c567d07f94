/** The data plane, put together: everything is made here and handed to whatever needs it. */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import type { Log } from '../platform/log.ts';
import { createMetrics, type MetricsRegistry } from '../platform/metrics.ts';
import { runSteps, type ShutdownStep } from '../platform/shutdown.ts';
import { Turns } from '../platform/turns.ts';
import { createAuth } from './auth/auth.ts';
import { prepareDataDirectory } from './data-directory.ts';
import { Admission } from './http/admission.ts';
import { createApi, type Rooms } from './http/api.ts';
import { dispatch } from './http/dispatch.ts';
import { Intake } from './http/intake.ts';
import { lazily } from './http/lazily.ts';
import { Pulls } from './http/pulls.ts';
import { QuickLane } from './http/quick-lane.ts';
import type { WebRooms } from './http/web.ts';
import { createJobMetrics } from './jobs/metrics.ts';
import { startWorkers, type Workers } from './jobs/workers.ts';
import { Listener, timeouts } from './listener.ts';
import { createRegistryMetrics } from './metrics.ts';
import { openRetentionRecords } from './records.ts';
import { Reloader } from './reload.ts';
import { startReplication } from './replication/start.ts';
import { startRetention } from './retention/start.ts';
import { apiRooms, type House, hurry, managementRooms } from './rooms.ts';
import { keepSafe } from './safekeeping.ts';
import { readSettings, type Settings, type Source } from './settings.ts';
import { openStores, type Stores } from './stores.ts';
import { Usage, type UsageFigures } from './usage.ts';

export interface RegistryOptions {
  readonly source: Source;
  readonly log: Log;
  /** The registry cannot go on, because a store died. */
  readonly onDeath: (error: Error) => void;
  /** Seconds between two looks at the files of the configuration; 2 unless given. */
  readonly watchSeconds?: number;
}

/** A registry that serves, or works for others that do. */
export interface RunningRegistry {
  /** Absent where it only works. */
  readonly api: AddressInfo | undefined;
  readonly management: AddressInfo | undefined;
  /** Looks now whether the configuration has changed. Never rejects. */
  reload(): Promise<void>;
  /** What stopping takes, in order: drain, flush, close. */
  readonly shutdown: readonly ShutdownStep[];
}

/** Bytes of manifests' bodies in memory at once; the largest manifest always fits. */
const intakeBytes = 16 * 1024 * 1024;

/** Starts a registry. Throws Fatal or StoreError, whose messages say what to do, where it cannot. */
export async function startRegistry(options: RegistryOptions): Promise<RunningRegistry> {
  const first = await readSettings(options.source, async (document) => {
    await prepareDataDirectory(document);
    return { document, held: [] };
  });
  options.log.setLevel(first.document.logging.level);
  const stores = await openStores(first.document, { mode: 'serve', onDeath: options.onDeath });
  const registry = compose(options, first, stores);
  try {
    return await registry.start();
  } catch (error) {
    await runSteps(options.log, registry.shutdown);
    throw error;
  }
}

function compose({ source, log, watchSeconds = 2 }: RegistryOptions, first: Settings, stores: Stores) {
  const { now } = Date;
  const register = createMetrics();
  const usage = new Usage(stores, now);
  const metrics = createRegistryMetrics(register, {
    traffic: () => withUnseen(listeners.api?.traffic(), stores.blobs.unseenTraffic),
    storage: () => usage.figures().then(storageFigures, () => undefined),
  });
  const apply = (next: Settings) => {
    if (next.tls !== undefined) listeners.api?.setCertificate(next.tls);
    log.setLevel(next.document.logging.level);
    stores.setReserve(next.document.limits.reserveBytes);
  };
  const reloader = new Reloader({ source, first, log, apply, onResult: metrics.reloaded });
  const settings = () => reloader.current;
  const auth = createAuth(settings, { now, onCheck: metrics.passwordChecked });
  const careful = () => settings().document.inUse.clusters.length > 0;
  const pulls = new Pulls(stores.metadata, { now, log, careful });
  const fault = () => reloader.fault;
  const state: House['state'] = { draining: false };
  const worker = `${hostname()} ${randomUUID()}`;
  const { run } = first.document.workers;
  const retention = startRetention({
    metadata: stores.metadata,
    places: first.document,
    register,
    log,
    worker,
    inUse: () => settings().document.inUse,
    openRecords: () => openRetentionRecords(first.document),
    flushPulls: () => pulls.flush(),
    wake: () => hurry({ state, log }, 'retention'),
    now,
  });
  const replication = startReplication({
    ...stores,
    register,
    log,
    worker,
    alone: first.document.metadata.postgres === undefined,
    only: run === 'Only',
    proxyEnv: process.env,
    key: () => settings().tokens.key.privateKey,
    inUse: () => settings().document.inUse,
    now,
  });
  const house: House = {
    log,
    stores,
    usage,
    metrics,
    auth,
    pulls,
    turns: new Turns(),
    retention,
    replication,
    now,
    settings,
    fault,
    state,
  };
  const listeners = createListeners(house, register, first);
  return {
    shutdown: shutdownSteps(house, listeners, reloader),
    async start(): Promise<RunningRegistry> {
      house.state.recovery = await keepSafe(first.document, {
        stores,
        register,
        log,
        turns: house.turns,
        now,
        backup: () => settings().document.backup,
      });
      const api = await listeners.api?.listen();
      const management = await listeners.management?.listen();
      house.state.workers = startWork(house, register, worker);
      if (run !== 'None') replication.start();
      reloader.watch(watchSeconds);
      return { api, management, reload: () => reloader.check(), shutdown: this.shutdown };
    },
  };
}

interface Listeners {
  /** Absent where nothing is served but metrics and health. */
  readonly api: Listener | undefined;
  /** Absent where metrics and health are served by the API's listener. */
  readonly management: Listener | undefined;
}

function createListeners(house: House, register: MetricsRegistry, { document, tls }: Settings): Listeners {
  const { log, metrics } = house;
  const app = (rooms: Pick<WebRooms, 'api' | 'management'>) =>
    lazily(async () => {
      const { webOf } = await import('./http/web.ts');
      return webOf({ log, observe: metrics.observe, ...rooms });
    }, log);
  const management = managementRooms(house, register);
  const { api, management: separate = document.workers.run === 'Only' ? api : undefined } = document.listen;
  const rooms = roomsOf(house, document);
  const web = app({ api: apiRooms(house), ...(separate === undefined && { management }) });
  const beside =
    separate === undefined
      ? undefined
      : new Listener({
          address: separate,
          purpose: 'management (--management-listen, listen.management)',
          handle: app({ management }),
        });
  if (document.workers.run === 'Only') return { api: undefined, management: beside };
  return {
    api: new Listener({
      address: api,
      purpose: 'the API (--listen, listen.api)',
      tls,
      handle: dispatch(createApi(rooms), web, metrics.uploadsInProgress),
      lane: new QuickLane(rooms, { first: timeouts.headers, keepAlive: timeouts.keepAlive }),
    }),
    management: beside,
  };
}

function roomsOf(
  { stores, auth, pulls, log, metrics, turns, now, settings, replication }: House,
  { limits }: RegistryBootstrap,
): Rooms {
  return {
    ...stores,
    ...auth,
    pulls,
    log,
    now,
    intake: new Intake(Math.max(intakeBytes, limits.manifestBytes), undefined, turns),
    admission: new Admission(),
    settings: () => settings().document,
    configuration: settings,
    observe: metrics.observe,
    peers: replication,
  };
}

/** What is done beside serving: see `jobs/`. */
function startWork(
  { stores, log, now, settings, state, retention }: House,
  register: MetricsRegistry,
  worker: string,
): Workers {
  const quarantined = async () => {
    const rows = await stores.metadata.quarantined({ limit: mostCounted });
    return rows.length;
  };
  return startWorkers({
    ...stores,
    log,
    now,
    worker,
    others: [retention.work],
    metrics: createJobMetrics(register, () => quarantined().catch(() => undefined)),
    settings: () => settings().document,
    followed: () => state.recovery?.journaledUpTo() ?? Number.MAX_SAFE_INTEGER,
    requireWhole: async () => state.recovery?.requireWhole(),
  });
}

/** Quarantined blobs past this are not counted. */
const mostCounted = 10_000;

/** The management listener goes last: probes are answered to the end. */
function shutdownSteps(house: House, { api, management }: Listeners, reloader: Reloader): ShutdownStep[] {
  const { log, pulls, stores, state, settings, retention, replication } = house;
  const drain = async () => {
    state.draining = true;
    reloader.stop();
    if (api === undefined) return;
    const { lingerSeconds, drainSeconds } = settings().document;
    api.leave();
    if (lingerSeconds > 0) await sleep(lingerSeconds * 1000);
    const { cut } = await api.drain(drainSeconds);
    if (cut > 0) log.warn({ connections: cut }, 'requests in flight took longer than drainSeconds and were cut');
  };
  return [
    { name: 'finishing requests in flight', run: drain },
    { name: 'ending replication', run: () => replication.stop() },
    { name: 'ending background work', run: () => state.workers?.stop() },
    { name: 'closing the plans of retention', run: () => retention.close() },
    { name: 'writing pull times', run: () => pulls.close() },
    { name: 'writing the journal', run: () => state.recovery?.stop() },
    { name: 'closing the stores', run: () => stores.close() },
    { name: 'closing the management listener', run: async () => void (await management?.drain(1)) },
  ];
}

function withUnseen({ received, sent } = { received: 0, sent: 0 }, unseen = 0) {
  return { received, sent: sent + unseen };
}

function storageFigures({ blobBytes, reclaimableBytes, freeBytes }: UsageFigures) {
  return { usedBytes: blobBytes, reclaimableBytes, freeBytes };
}
