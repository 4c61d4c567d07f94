import express, { type Router } from 'express';
import { Refusal } from '../../domain/errors.ts';
import type { JobState } from '../metadata/job-queue.ts';
import { type AdministratorRooms, administratorsOnly } from './administrators.ts';
import { type InventoryRooms, inventoryRouter } from './inventory-router.ts';
import { type ReplicationRooms, replicationRouter } from './replication-router.ts';
import { type RetentionRooms, retentionRouter } from './retention-router.ts';
import { type RulesRooms, rulesRouter } from './rules-router.ts';

/** `GET /admin/v1/status`. */
export interface RegistryStatus {
  readonly version: string;
  /** Of the bootstrap document that is running. */
  readonly generation: number;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly storage: { usedBytes: number; reclaimableBytes: number; freeBytes?: number };
  readonly repositories: number;
  readonly users: number;
  /** Why the newest settings cannot run; the ones before do. */
  readonly settingsFault?: string;
  /** When the newest snapshot in the second place was taken, RFC 3339. */
  readonly lastBackup?: string;
}

/** The background work, as far as administrators may see and hurry it. */
export interface AdminJobs {
  /** Asks for a pass as soon as may be; false where there is no such kind. */
  runNow(kind: string): Promise<boolean>;
  state(): Promise<JobState[]>;
}

export interface AdminRooms extends AdministratorRooms {
  status(): Promise<RegistryStatus>;
  readonly jobs: AdminJobs;
  readonly rules: RulesRooms;
  readonly replication: ReplicationRooms;
  readonly inventories: InventoryRooms;
  readonly retention: RetentionRooms;
}

/** The admin API: for the operator with a token that it signed, and for administrators with their password. */
export function adminRouter(rooms: AdminRooms): Router {
  const router = express.Router();
  router.use(inventoryRouter({ ...rooms, ...rooms.inventories }));
  router.use('/admin', administratorsOnly(rooms));
  router.use(rulesRouter(rooms.rules));
  router.use(replicationRouter(rooms.replication));
  router.use(retentionRouter(rooms.retention));
  router.get('/admin/v1/status', async (_request, response) => {
    response.set('cache-control', 'no-store').json(await rooms.status());
  });
  router.get('/admin/v1/jobs', async (_request, response) => {
    response.set('cache-control', 'no-store').json({ jobs: (await rooms.jobs.state()).map(shownJob) });
  });
  router.post('/admin/v1/jobs/:kind', async (request, response) => {
    const { kind } = request.params;
    if (!(await rooms.jobs.runNow(kind))) throw new Refusal('UNSUPPORTED', `there is no job ${kind}`, { status: 404 });
    response.status(202).json({ kind });
  });
  return router;
}

/** Times in RFC 3339. */
function shownJob({ runAt, heldUntil, ...job }: JobState) {
  const time = (at: number) => new Date(at).toISOString();
  return { ...job, runAt: time(runAt), ...(heldUntil !== undefined && { heldUntil: time(heldUntil) }) };
}
