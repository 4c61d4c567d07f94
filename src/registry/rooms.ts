/** What the parts of a running registry have in common, and what of it the rooms beside the API's get. */
import { messageOf } from '../platform/fatal.ts';
import type { Log } from '../platform/log.ts';
import type { MetricsRegistry } from '../platform/metrics.ts';
import type { Turns } from '../platform/turns.ts';
import { version } from '../platform/version.ts';
import type { createAuth } from './auth/auth.ts';
import type { Pulls } from './http/pulls.ts';
import type { WebRooms } from './http/web.ts';
import type { Workers } from './jobs/workers.ts';
import type { RegistryMetrics } from './metrics.ts';
import type { RunningRecovery } from './recovery/start.ts';
import type { Replication } from './replication/start.ts';
import type { Retention } from './retention/start.ts';
import type { Settings } from './settings.ts';
import type { Stores } from './stores.ts';
import type { Usage, UsageFigures } from './usage.ts';

/** What the parts of a running registry have in common. */
export interface House {
  readonly log: Log;
  readonly stores: Stores;
  readonly usage: Usage;
  readonly metrics: RegistryMetrics;
  readonly auth: ReturnType<typeof createAuth>;
  readonly pulls: Pulls;
  /** Of work that takes much memory. */
  readonly turns: Turns;
  readonly retention: Retention;
  readonly replication: Replication;
  readonly state: { draining: boolean; recovery?: RunningRecovery; workers?: Workers };
  now(): number;
  settings(): Settings;
  /** Why settings that are there are not the ones that run. */
  fault(): string | undefined;
}

/** Of tokens and administration. */
export function apiRooms(house: House): NonNullable<WebRooms['api']> {
  const { auth, usage, now, settings, fault, state } = house;
  const startedAt = new Date(now()).toISOString();
  const anonymousOn = () => settings().document.auth.anonymous !== 'None';
  const lastBackup = async () => {
    const newest = await state.recovery?.lastBackup();
    return newest && { lastBackup: new Date(newest.takenAt).toISOString() };
  };
  const status = async () => ({
    version,
    generation: settings().document.generation,
    startedAt,
    users: settings().users.size,
    ...settingsFault(fault()),
    ...statusFigures(await usage.figures()),
    ...(await lastBackup()),
  });
  const jobs = {
    runNow: async (kind: string) => (await state.workers?.runNow(kind)) ?? false,
    state: async () => (await state.workers?.state()) ?? [],
  };
  return {
    token: { ...auth, users: () => settings().users, anonymousOn },
    admin: { ...auth, now, operator: () => settings().operator, status, jobs, ...ruleRooms(house) },
  };
}

/** Of rules, and of what retention and replication need beside them. */
function ruleRooms({ stores: { metadata }, retention, replication, now, state, log }: House) {
  const { clusters, keeper, desk } = retention;
  const rules = { metadata, keepers: [keeper, replication.keeper], now };
  const reported = () => hurry({ state, log }, 'retention');
  return {
    rules,
    inventories: { metadata, clusters, reported },
    retention: { desk, now },
    replication: { ...replication, metadata },
  };
}

/** Asks for a pass of background work as soon as may be; where that cannot be asked for now, it comes by itself later. */
export function hurry({ state, log }: Pick<House, 'state' | 'log'>, kind: string): void {
  state.workers?.runNow(kind).catch((error: unknown) => {
    log.warn({ err: error, kind }, 'background work cannot be asked for; it is done when it is due');
  });
}

/** Of metrics and health. */
export function managementRooms({ stores, state }: House, register: MetricsRegistry) {
  const unreadiness = async () =>
    state.draining ? 'stopping' : (state.recovery?.fault() ?? (await storeFault(stores)));
  return { register, unreadiness };
}

function settingsFault(fault: string | undefined) {
  return fault === undefined ? {} : { settingsFault: fault };
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
