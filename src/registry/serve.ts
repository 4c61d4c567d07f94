/** The data plane, put together: everything is made here and handed to whatever needs it. */
import type { AddressInfo } from 'node:net';
import { messageOf } from '../platform/fatal.ts';
import type { Log } from '../platform/log.ts';
import { createMetrics } from '../platform/metrics.ts';
import { runSteps, type ShutdownStep } from '../platform/shutdown.ts';
import { version } from '../platform/version.ts';
import { callerOf } from './auth/callers.ts';
import { RegistryGate } from './auth/gate.ts';
import { Passwords } from './auth/passwords.ts';
import { Tokens } from './auth/tokens.ts';
import { prepareDataDirectory } from './data-directory.ts';
import { adminRouter } from './http/admin-router.ts';
import { Admission } from './http/admission.ts';
import { createApi } from './http/api.ts';
import { healthRouter } from './http/health-router.ts';
import { Intake } from './http/intake.ts';
import { metricsRouter } from './http/metrics-router.ts';
import { Pulls } from './http/pulls.ts';
import { tokenRouter } from './http/token-router.ts';
import { createWebApp, dispatch } from './http/web.ts';
import { Listener } from './listener.ts';
import { createRegistryMetrics } from './metrics.ts';
import { Reloader } from './reload.ts';
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

/** A registry that serves. */
export interface RunningRegistry {
  readonly api: AddressInfo;
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
  const startedAt = new Date().toISOString();
  const register = createMetrics();
  const usage = new Usage(stores, now);
  const metrics = createRegistryMetrics(register, {
    traffic: () => api.traffic(),
    storage: () => usage.figures().then(storageFigures, () => undefined),
  });
  const reloader = new Reloader({
    source,
    first,
    log,
    apply: (next) => takeOver(next),
    onResult: (result) => metrics.reloaded(result),
  });
  const settings = () => reloader.current;
  const auth = createAuth(settings, { now, onCheck: metrics.passwordChecked });
  const pulls = new Pulls(stores.metadata, { now, log });
  let draining = false;

  const routers = [
    tokenRouter({
      ...auth,
      users: () => settings().users,
      anonymousOn: () => settings().document.auth.anonymous !== 'None',
    }),
    adminRouter({
      ...auth,
      now,
      operator: () => settings().operator,
      status: async () => ({
        version,
        generation: settings().document.generation,
        startedAt,
        users: settings().users.size,
        ...statusFigures(await usage.figures()),
      }),
    }),
  ];
  const management = [
    metricsRouter(register),
    healthRouter({ unreadiness: async () => (draining ? 'stopping' : await storeFault(stores)) }),
  ];
  const separate = first.document.listen.management;
  const web = { log, observe: metrics.observe };
  const oci = createApi({
    ...stores,
    ...auth,
    pulls,
    log,
    now,
    intake: new Intake(Math.max(intakeBytes, first.document.limits.manifestBytes)),
    admission: new Admission(),
    settings: () => settings().document,
    observe: metrics.observe,
  });
  const app = createWebApp({ ...web, routers: separate === undefined ? [...routers, ...management] : routers });
  const api = new Listener({
    address: first.document.listen.api,
    purpose: 'the API (--listen, listen.api)',
    tls: first.tls,
    handle: dispatch(oci, app, metrics.uploadsInProgress),
  });
  const side =
    separate === undefined
      ? undefined
      : new Listener({
          address: separate,
          purpose: 'management (--management-listen, listen.management)',
          handle: createWebApp({ ...web, routers: management }),
        });

  function takeOver(next: Settings): void {
    if (next.tls !== undefined) api.setCertificate(next.tls);
    log.setLevel(next.document.logging.level);
  }

  const shutdown: ShutdownStep[] = [
    {
      name: 'finishing requests in flight',
      run: async () => {
        draining = true;
        reloader.stop();
        const { cut } = await api.drain(settings().document.drainSeconds);
        if (cut > 0) log.warn({ connections: cut }, 'requests in flight took longer than drainSeconds and were cut');
      },
    },
    { name: 'writing pull times', run: () => pulls.close() },
    { name: 'closing the stores', run: () => stores.close() },
    { name: 'closing the management listener', run: async () => void (await side?.drain(1)) },
  ];

  return {
    shutdown,
    async start(): Promise<RunningRegistry> {
      const address = await api.listen();
      const sideAddress = await side?.listen();
      reloader.watch(watchSeconds);
      return { api: address, management: sideAddress, reload: () => reloader.check(), shutdown };
    },
  };
}

function storageFigures({ blobBytes, reclaimableBytes, freeBytes }: UsageFigures) {
  return { usedBytes: blobBytes, reclaimableBytes, freeBytes };
}

function statusFigures(figures: UsageFigures) {
  const { blobBytes, reclaimableBytes, freeBytes, repositories } = figures;
  return {
    repositories,
    storage: { usedBytes: blobBytes, reclaimableBytes, ...(freeBytes !== undefined && { freeBytes }) },
  };
}

/** Why the stores cannot serve. A full disk is no reason: pulls go on, and deletes must. */
async function storeFault({ metadata }: Stores): Promise<string | undefined> {
  try {
    await metadata.repositories({ limit: 1 });
    return undefined;
  } catch (error) {
    return `the metadata cannot be read: ${messageOf(error)}`;
  }
}

/** Who is asking, and what they may do, by the settings of the moment. */
function createAuth(
  settings: () => Settings,
  { now, onCheck }: { now: () => number; onCheck: (result: 'right' | 'wrong' | 'refused') => void },
) {
  const passwords = new Passwords({ users: () => settings().users, onCheck });
  const tokens = new Tokens(() => settings().tokens, now);
  const gate = new RegistryGate({
    passwords,
    tokens,
    settings: () => {
      const { users, document, tokens } = settings();
      return { users, anonymous: document.auth.anonymous, service: tokens.service };
    },
  });
  const callers = (request: Parameters<typeof callerOf>[0]) => {
    const { proxies, document } = settings();
    return callerOf(request, { proxies, fallbackAuthority: document.host ?? 'localhost' });
  };
  return { gate, tokens, callerOf: callers };
}
