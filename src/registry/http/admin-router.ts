import express, { type Request, type RequestHandler, type Router } from 'express';
import { Refusal } from '../../domain/errors.ts';
import { basicChallenge } from '../auth/challenge.ts';
import type { Caller, Gate } from '../auth/contract.ts';
import { type OperatorTrust, verifyOperatorToken } from '../auth/operator-token.ts';
import type { JobState } from '../metadata/job-queue.ts';

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
  runNow(kind: string): boolean;
  state(): Promise<JobState[]>;
}

export interface AdminRooms {
  readonly gate: Gate;
  operator(): OperatorTrust | undefined;
  status(): Promise<RegistryStatus>;
  readonly jobs: AdminJobs;
  callerOf(request: Request): Caller;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** The admin API: for the operator with a token that it signed, and for administrators with their password. */
export function adminRouter(rooms: AdminRooms): Router {
  const router = express.Router();
  router.use('/admin', administratorsOnly(rooms));
  router.get('/admin/v1/status', async (_request, response) => {
    response.set('cache-control', 'no-store').json(await rooms.status());
  });
  router.get('/admin/v1/jobs', async (_request, response) => {
    response.set('cache-control', 'no-store').json({ jobs: (await rooms.jobs.state()).map(shownJob) });
  });
  router.post('/admin/v1/jobs/:kind', (request, response) => {
    const { kind } = request.params;
    if (!rooms.jobs.runNow(kind)) throw new Refusal('UNSUPPORTED', `there is no job ${kind}`, { status: 404 });
    response.status(202).json({ kind });
  });
  return router;
}

/** Times in RFC 3339. */
function shownJob({ runAt, heldUntil, ...job }: JobState) {
  const time = (at: number) => new Date(at).toISOString();
  return { ...job, runAt: time(runAt), ...(heldUntil !== undefined && { heldUntil: time(heldUntil) }) };
}

function administratorsOnly(rooms: AdminRooms): RequestHandler {
  return async (request, _response, next) => {
    const bearer = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined) await requireAdministrator(rooms, request);
    else await requireOperator(rooms, bearer);
    next();
  };
}

async function requireOperator(rooms: AdminRooms, token: string): Promise<void> {
  const trust = rooms.operator();
  const signer = trust && (await verifyOperatorToken(token, trust, rooms.now()));
  if (signer === undefined)
    throw unauthorized('the admin API takes tokens of its operator, or Basic credentials of an administrator');
}

async function requireAdministrator(rooms: AdminRooms, request: Request): Promise<void> {
  const caller = rooms.callerOf(request);
  if (caller.authorization === undefined) throw unauthorized('sign in as an administrator');
  const identity = await rooms.gate.identify(caller);
  rooms.gate.authorize(identity, 'Admin', undefined, caller);
}

function unauthorized(message: string): Refusal {
  return new Refusal('UNAUTHORIZED', message, { headers: { 'www-authenticate': basicChallenge } });
}
