import { setTimeout as wait } from 'node:timers/promises';
import { StoreError } from '../store.ts';
import { Database } from './database.ts';
import { migrate, requireReadable } from './migrations.ts';
import { QueryFailure } from './session.ts';
import { PostgresStore } from './store.ts';

export interface OpenPostgresOptions {
  /** Folder with the keys of CloudNativePG's application Secret, one file each; read again for every new connection. */
  readonly secretDirectory: string;
  /** PEM of the authorities that sign the server's certificate; the system's own where it is left out. */
  readonly caFile?: string | undefined;
  /** Default: what the `uri` says, else `VerifyFull`. */
  readonly tls?: 'VerifyFull' | 'Require' | 'Disable' | undefined;
  /** Connections at most. Default 10. */
  readonly poolSize?: number | undefined;
  /** `serve` and `offline` migrate; `read` writes nothing, and takes a standby as well. */
  readonly mode: 'serve' | 'offline' | 'read';
  /**
   * For how long bytes stay after their last name is gone, milliseconds: for readers who have just looked the key up, and URLs
   * that were given out. Default: a minute.
   */
  readonly removalDelay?: number | undefined;
  /** How long an unreachable server is waited for, milliseconds. Default: half a minute to serve, five seconds otherwise. */
  readonly patience?: number | undefined;
}

/** Opens the store, and brings its schema up to date. Throws StoreError that says what to do. */
export async function openPostgres(options: OpenPostgresOptions): Promise<PostgresStore> {
  const { secretDirectory, caFile, tls, poolSize = 10, mode, removalDelay = 60_000 } = options;
  const readOnly = mode === 'read';
  const database = new Database({ secretDirectory, caFile, tls, readOnly }, poolSize);
  try {
    await prepare(database, readOnly, options.patience ?? (mode === 'serve' ? 30_000 : 5000));
    return new PostgresStore({ database, removalDelay, readOnly });
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** A server that starts or fails over is waited for; one that refuses us is not. */
async function prepare(database: Database, readOnly: boolean, patience: number): Promise<void> {
  const deadline = performance.now() + patience;
  for (;;) {
    try {
      return await database.session(readOnly ? requireReadable : migrate);
    } catch (error) {
      const named = error instanceof QueryFailure ? error.failure.error : error;
      const hopeful = named instanceof StoreError && named.kind === 'busy';
      if (!hopeful || performance.now() > deadline) throw named;
      await wait(500);
    }
  }
}
