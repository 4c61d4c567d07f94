import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '../../domain/errors.ts';
import type { Rooms } from './api.ts';

/** How long an upload stays with a process that says nothing more, milliseconds: so long a killed one keeps others off. */
const lease = 10_000;
const renewal = lease / 4;
/** A request whose connection broke is still storing what arrived: who takes over waits for it this long, milliseconds. */
const patience = 1_000;
const look = 50;

/** What a request knows that has an upload for itself. */
export interface Hold {
  /** Since when, `performance.now()`; undefined where only this process could write to it anyway. */
  readonly heldSince?: number;
  /** Aborted when another process took the upload over. */
  readonly signal?: AbortSignal;
}

type HoldRooms = Pick<Rooms, 'metadata' | 'blobs' | 'now'>;

/**
 * Keeps other replicas from an upload while `work` writes to it. Throws what a store gives within one process where somebody
 * else is writing: Refusal BLOB_UPLOAD_INVALID 409.
 */
export async function holding<T>(rooms: HoldRooms, id: string, work: (hold: Hold) => Promise<T>): Promise<T> {
  if (!rooms.blobs.shared) return work({});
  const holder = randomUUID();
  await acquire(rooms, id, holder);
  const heldSince = performance.now();
  const lost = new AbortController();
  const renewing = setInterval(() => void renew(rooms, { id, holder }, lost), renewal);
  try {
    return await work({ heldSince, signal: lost.signal });
  } finally {
    clearInterval(renewing);
    // What is not released ends by itself.
    await rooms.metadata.releaseUpload({ id, holder }).catch(() => undefined);
  }
}

async function acquire(rooms: HoldRooms, id: string, holder: string): Promise<void> {
  const before = performance.now() + patience;
  while (!(await take(rooms, { id, holder }))) {
    if (performance.now() > before) throw busyUpload(id);
    await sleep(look);
  }
}

function take({ metadata, now }: HoldRooms, { id, holder }: { id: string; holder: string }): Promise<boolean> {
  const moment = now();
  return metadata.holdUpload({ id, holder, now: moment, until: moment + lease });
}

/** A database that fails for a moment is asked again; the lease may outlast it. */
async function renew(rooms: HoldRooms, hold: { id: string; holder: string }, lost: AbortController): Promise<void> {
  const still = await take(rooms, hold).catch(() => undefined);
  if (still === false) lost.abort(busyUpload(hold.id));
}

function busyUpload(id: string): Refusal {
  const message = `another request is writing to upload ${id}; wait for it, then ask where the upload stands`;
  return new Refusal('BLOB_UPLOAD_INVALID', message, { status: 409 });
}
