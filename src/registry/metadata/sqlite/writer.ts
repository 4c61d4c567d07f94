import type { Arguments, OperationName, Result } from './writes/operations.ts';

/** The one writer of a database. Replies come only after the commit is synced. */
export interface Writer {
  /** Rejects with StoreError. */
  execute<Name extends OperationName>(name: Name, data: Arguments<Name>): Promise<Result<Name>>;
  /** Lets what was accepted finish, then closes. */
  close(): Promise<void>;
}

export interface WriterOptions {
  /** Nobody relies on this database yet: whoever fills it syncs the file at the end. */
  readonly unsynced?: boolean;
  /** The database file; its schema is up to date. */
  readonly path: string;
  /** File and size (bytes) of the space held back for deletes on a full disk. */
  readonly reserve: { readonly path: string; readonly bytes: number };
}
