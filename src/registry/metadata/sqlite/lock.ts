import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../store.ts';
import { faultOf, storeError } from './faults.ts';

/**
 * How long a directory that is in use is waited for, milliseconds: a pod that was deleted by force still runs for a second or
 * two beside the one that takes its place, and a start that fails then would cost a back-off.
 */
const PATIENCE = 5000;

/**
 * Keeps a second writer off a data directory. Node has no flock, so it is SQLite's exclusive lock on an empty database: the
 * kernel drops it when the process dies, however it dies. Throws StoreError busy, naming who holds it.
 */
export function lockDirectory(directory: string): { release(): void } {
  const path = join(directory, 'lock');
  const holder = join(directory, 'lock.holder');
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: PATIENCE });
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (faultOf(error).kind !== 'busy') throw storeError(error);
    throw new StoreError(
      'busy',
      `the data directory ${directory} is in use by ${nameOf(holder)}; stop that one first, or give this one a directory of its own`,
    );
  }
  const locked = db;
  sign(holder);
  return { release: () => locked.isOpen && locked.close() };
}

function nameOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return 'another ne-registry';
  }
}

/** Only a help for people; on a full disk it is left out. */
function sign(path: string): void {
  try {
    writeFileSync(path, `process ${process.pid} on ${hostname()}\n`, { mode: 0o600 });
  } catch {
    // The lock itself holds.
  }
}
