import { join } from 'node:path';
import { StoreError } from '../store.ts';
import { type Connection, openForReading, openForWriting } from './connection.ts';
import { closed, faultOf, storeError } from './faults.ts';
import { InlineWriter } from './inline-writer.ts';
import { lockDirectory } from './lock.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './migrations.ts';
import { checkHeader, checkPages } from './soundness.ts';
import { SqliteStore } from './store.ts';
import { ThreadWriter } from './thread-writer.ts';
import type { Writer } from './writer.ts';
import { freeJobs } from './writes/jobs.ts';

/** Bytes held back for deletes on a full disk. SQLite's log is checkpointed at 4 MiB, so this covers a whole round of it. */
const RESERVE_BYTES = 8 * 1024 * 1024;

export interface OpenSqliteOptions {
  /** An existing directory. */
  readonly directory: string;
  /**
   * `serve`: writes on a thread of its own. `offline`: writes on this thread. Both keep every other writer off.
   * `read`: no writes; may be opened beside a running registry.
   */
  readonly mode: 'serve' | 'offline' | 'read';
  /** The writer thread died; the process must end with an error. */
  readonly onDeath: (error: StoreError) => void;
  /** With `offline`: nobody relies on this database yet, and who fills it syncs the file at the end. */
  readonly unsynced?: boolean;
  /** Bytes held back for deletes. */
  readonly reserveBytes?: number;
  /**
   * For how long bytes stay after their last name is gone, milliseconds: for readers who have just looked the key up, and URLs
   * that were given out. None on a file system, where an open file outlives its name.
   */
  readonly removalDelay?: number;
}

/** File of the database in a data directory. */
export function databasePath(directory: string): string {
  return join(directory, 'metadata.db');
}

/** Opens the embedded store: locks the directory, looks for damage, migrates. Throws StoreError that says what to do. */
export async function openSqlite(options: OpenSqliteOptions): Promise<SqliteStore> {
  const path = databasePath(options.directory);
  if (options.mode === 'read') return openReadOnly(path);
  const lock = lockDirectory(options.directory);
  try {
    prepare(path);
    const reader = openForReading(path);
    const writer = openWriter(path, options);
    const { removalDelay = 0 } = options;
    return new SqliteStore({ path, reader, writer, removalDelay, exclusive: true, release: () => lock.release() });
  } catch (error) {
    lock.release();
    throw storeError(error);
  }
}

function prepare(path: string): void {
  const size = checkHeader(path);
  const connection = openForWriting(path);
  try {
    checkPages(connection, path, size);
    migrate(connection);
    freeDeadJobs(connection);
  } finally {
    connection.close();
  }
}

/** The directory is locked, so that whoever held a job is dead. On a full disk the lease has to run out instead. */
function freeDeadJobs(connection: Connection): void {
  try {
    freeJobs(connection);
  } catch (error) {
    if (faultOf(error).kind !== 'full') throw error;
  }
}

function openWriter(path: string, options: OpenSqliteOptions): Writer {
  const reserve = { path: join(options.directory, 'reserve'), bytes: options.reserveBytes ?? RESERVE_BYTES };
  if (options.mode === 'offline') return new InlineWriter({ path, reserve, unsynced: options.unsynced === true });
  return new ThreadWriter({ path, reserve, onDeath: options.onDeath });
}

function openReadOnly(path: string): SqliteStore {
  try {
    if (checkHeader(path) === 0)
      throw new StoreError('io', `there is no metadata at ${path}; is that the data directory?`);
    const reader = openForReading(path);
    requireCurrent(reader);
    return new SqliteStore({
      path,
      reader,
      writer: noWriter,
      removalDelay: 0,
      exclusive: false,
      release: () => undefined,
    });
  } catch (error) {
    throw storeError(error);
  }
}

function requireCurrent(reader: Connection): void {
  const version = schemaVersion(reader);
  if (version === SCHEMA_VERSION) return;
  reader.close();
  throw new StoreError(
    'io',
    `the metadata has schema version ${version}, older than ${SCHEMA_VERSION}; start \`ne-registry serve\` once to bring it up to date`,
  );
}

const noWriter: Writer = { execute: () => Promise.reject(closed()), close: () => Promise.resolve() };
