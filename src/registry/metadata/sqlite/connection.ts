import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/** KiB of page cache a connection may hold: the registry as a whole stays under 100 MB. */
const CACHE_KIB = 1024;

/**
 * A connection with its prepared statements. Every SQL text here is a constant, so the number of statements is bounded.
 * Throws what SQLite throws; `faults.ts` gives it a name.
 */
export class Connection {
  readonly db: DatabaseSync;
  #statements = new Map<string, StatementSync>();
  #free: (() => void) | undefined;

  constructor(db: DatabaseSync) {
    this.db = db;
    db.function('taken', () => this.#taken());
  }

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#prepared(sql).get(...values) as T | undefined;
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepared(sql).all(...values) as T[];
  }

  /** Rows as lists of their columns instead of objects: for a million of them. A text is asked for in one of the two ways only. */
  arrays<T extends readonly unknown[]>(sql: string, ...values: SQLInputValue[]): T[] {
    const statement = this.#prepared(sql);
    statement.setReturnArrays(true);
    return statement.all(...values) as unknown as T[];
  }

  /** Runs a statement; returns the number of rows changed and the last row id. */
  run(sql: string, ...values: SQLInputValue[]): { changes: number; id: number } {
    const { changes, lastInsertRowid } = this.#prepared(sql).run(...values);
    return { changes: Number(changes), id: Number(lastInsertRowid) };
  }

  /**
   * Runs a statement with values of megabytes, which has `WHERE taken()` in it: there SQLite has its copy of the values and
   * makes the record next, so that `free` may free them. The second run does nothing but let go of the copy, which a statement
   * holds until it is given other values.
   */
  runLarge(sql: string, free: () => void, ...values: SQLInputValue[]): void {
    const statement = this.#prepared(sql);
    this.#free = free;
    try {
      statement.run(...values);
    } finally {
      this.#free = undefined;
      statement.run(...values.map(() => null));
    }
  }

  /** Whether there is a row to write. */
  #taken(): number {
    const free = this.#free;
    this.#free = undefined;
    free?.();
    return free === undefined ? 0 : 1;
  }

  close(): void {
    this.#statements.clear();
    if (this.db.isOpen) this.db.close();
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Opens for writing, creating the file where there is none. Every commit is synced before it returns. */
export function openForWriting(path: string): Connection {
  const db = new DatabaseSync(path, { timeout: 5000 });
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA journal_size_limit = ${16 * 1024 * 1024}; PRAGMA temp_store = MEMORY`);
  } catch (error) {
    db.close();
    throw error;
  }
  return new Connection(db);
}

/**
 * Opens a database that is being filled and that nobody relies on yet: nothing is synced, and the pages of its indexes stay in
 * memory, for the order of rows is not that of every index.
 */
export function openUnsynced(path: string): Connection {
  const connection = openForWriting(path);
  connection.db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16384');
  return connection;
}

/** Opens an existing database for reading. Sees every commit at once, and never waits for the writer. */
export function openForReading(path: string): Connection {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  try {
    db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY`);
  } catch (error) {
    db.close();
    throw error;
  }
  return new Connection(db);
}
