import { existsSync } from 'node:fs';
import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Recovery } from '../recovery.ts';
import { StoreError } from '../store.ts';
import { openForReading } from './connection.ts';
import { storeError } from './faults.ts';
import { lockDirectory } from './lock.ts';
import { databasePath, openSqlite } from './open.ts';
import { checkHeader } from './soundness.ts';
import { requireEmpty } from './writes/recovery.ts';

export interface ReplaceOptions {
  /** An existing directory. */
  readonly directory: string;
  /** Also where the database that is there holds something. */
  readonly force: boolean;
  /** Milliseconds since the epoch: for the name of the old database. */
  readonly now: number;
}

/**
 * Puts a new database in the place of the one that is there, if any, which is kept aside. The new one is filled beside it and only
 * then renamed, so that a failure leaves everything as it was. Keeps every registry off the directory meanwhile.
 * Throws StoreError: busy where a registry runs, io where the database holds something and `force` is not given.
 * @returns the path of the old database, where there was one
 */
export async function replaceSqlite(
  { directory, force, now }: ReplaceOptions,
  fill: (store: Recovery) => Promise<void>,
): Promise<string | undefined> {
  const lock = lockDirectory(directory);
  let building: string | undefined;
  try {
    if (!force) refuseContent(directory);
    building = await mkdtemp(join(directory, '.restore-'));
    const onDeath = () => undefined;
    const store = await openSqlite({ directory: building, mode: 'offline', unsynced: true, onDeath, reserveBytes: 0 });
    try {
      await fill(store);
    } finally {
      await store.close();
    }
    return await swap(databasePath(building), databasePath(directory), now);
  } catch (error) {
    throw storeError(error);
  } finally {
    if (building !== undefined) await rm(building, { recursive: true, force: true });
    lock.release();
  }
}

/**
 * Throws StoreError where a sound database holds something. One that cannot be read could not be overwritten by mistake: it is kept
 * aside anyhow.
 */
export function refuseContent(directory: string): void {
  const path = databasePath(directory);
  if (!holdsSomething(path)) return;
  throw new StoreError(
    'io',
    `the metadata ${path} is sound and holds repositories; nothing was changed. Give --force to put what is restored in its place (the file is kept aside)`,
  );
}

function holdsSomething(path: string): boolean {
  try {
    if (checkHeader(path) === 0) return false;
    const connection = openForReading(path);
    try {
      requireEmpty(connection, {});
      return false;
    } catch (error) {
      return error instanceof StoreError;
    } finally {
      connection.close();
    }
  } catch {
    return false;
  }
}

/** The log of an old database would be taken for the new one's: it goes with it. */
async function swap(from: string, to: string, now: number): Promise<string | undefined> {
  const time = new Date(now).toISOString().replace(/[-:.]/g, '');
  const aside = `${to}.before-restore-${time}`;
  const had = existsSync(to);
  await sync(from);
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(`${to}${suffix}`)) await rename(`${to}${suffix}`, `${aside}${suffix}`);
  }
  await rename(from, to);
  await sync(dirname(to));
  return had ? aside : undefined;
}

/** Makes a file, or the entries of a folder, durable. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
