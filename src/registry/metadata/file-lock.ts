import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { faultOf, storeError } from './sqlite/faults.ts';
import { StoreError } from './store.ts';

/** How long another process is waited for, milliseconds. */
const PATIENCE = 10_000;
const PAUSE = 20;

/**
 * Runs `work` while no other process does the same with this lock file. As with the lock of a data directory, the kernel drops it
 * when the process dies, however it dies; the empty file stays. Throws StoreError busy where somebody holds it for long.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const db = await locked(path);
  try {
    return await work();
  } finally {
    db.close();
  }
}

async function locked(path: string): Promise<DatabaseSync> {
  for (let waited = 0; ; waited += PAUSE) {
    const db = tryLock(path);
    if (db !== undefined) return db;
    if (waited >= PATIENCE)
      throw new StoreError('busy', `another process has held ${path} for ${PATIENCE / 1000} seconds; try again`);
    await sleep(PAUSE);
  }
}

function tryLock(path: string): DatabaseSync | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db?.close();
    if (faultOf(error).kind === 'busy') return undefined;
    throw storeError(error);
  }
}
