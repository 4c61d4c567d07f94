import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StoreError } from '../store.ts';
import type { Connection } from './connection.ts';
import { storeError } from './faults.ts';

/** A database up to this size (bytes) is checked whole at open, which takes well under 100 ms; a larger one by `admin check`. */
const CHECKED_AT_OPEN = 16 * 1024 * 1024;
const MAGIC = 'SQLite format 3\0';

/** Refuses a file that is no SQLite database before SQLite touches it. Where there is no file, or an empty one, there is nothing to refuse. */
export function checkHeader(path: string): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  try {
    const header = Buffer.alloc(MAGIC.length);
    const { size } = fstatSync(file);
    const read = readSync(file, header, 0, MAGIC.length, 0);
    if (size > 0 && (read < MAGIC.length || header.toString('latin1') !== MAGIC))
      throw damaged(path, 'it is not an SQLite database');
    return size;
  } finally {
    closeSync(file);
  }
}

/** Looks for damage as far as a fast start allows. Throws StoreError corrupt. */
export function checkPages(connection: Connection, path: string, size: number): void {
  if (size > CHECKED_AT_OPEN) return;
  const found = findDamage(connection, 1);
  if (found.length > 0) throw damaged(path, found.join('; '));
}

/** What SQLite's own check finds, at most `limit` findings; empty where all is well. Reads the whole database. */
export function findDamage(connection: Connection, limit: number): string[] {
  try {
    const rows = connection.all<Record<string, string>>(`PRAGMA quick_check(${limit})`);
    return rows.flatMap((row) => Object.values(row)).filter((text) => text !== 'ok');
  } catch (error) {
    const named = storeError(error);
    if (named instanceof StoreError && named.kind === 'corrupt') return [named.message];
    throw named;
  }
}

function damaged(path: string, what: string): StoreError {
  return new StoreError(
    'corrupt',
    `the metadata ${path} is damaged: ${what}. Run \`ne-registry admin check\` to see how far, and restore the newest backup. Nothing was changed`,
  );
}
