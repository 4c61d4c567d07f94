import type { ExportedRow, Recovery, SnapshotRow } from '../recovery.ts';
import type { Database } from './database.ts';
import { exportRows } from './export.ts';
import { importRows } from './import.ts';
import { lastSequence, stampChanges } from './reads/progress.ts';
import type { Statement } from './session.ts';

const list: Statement = {
  name: 'snapshots',
  text: 'SELECT name, sequence, taken_at AS "takenAt", size FROM snapshots ORDER BY taken_at, name',
};
const add: Statement = {
  name: 'add_snapshot',
  text: `INSERT INTO snapshots (name, sequence, taken_at, size) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence, taken_at = excluded.taken_at, size = excluded.size`,
};
const drop: Statement = { name: 'drop_snapshot', text: 'DELETE FROM snapshots WHERE name = $1' };

/** Reading everything out, and putting it in. */
export class PostgresRecovery implements Recovery {
  #database: Database;
  #readOnly: boolean;

  constructor(database: Database, readOnly: boolean) {
    this.#database = database;
    this.#readOnly = readOnly;
  }

  async *export(): AsyncGenerator<ExportedRow> {
    // What is numbered when the snapshot begins is in it, so that `head` says how far the feed is told by the rows.
    if (!this.#readOnly) await stampChanges(this.#database);
    yield* exportRows(this.#database);
  }

  import(rows: AsyncIterable<ExportedRow>): Promise<void> {
    return importRows(this.#database, rows);
  }

  snapshots(): Promise<SnapshotRow[]> {
    return this.#database.read<SnapshotRow>(list, []);
  }

  async addSnapshot({ name, sequence, takenAt, size }: SnapshotRow): Promise<void> {
    await this.#database.write(add, [name, sequence, takenAt, size]);
  }

  async dropSnapshot(name: string): Promise<void> {
    await this.#database.write(drop, [name]);
  }

  async lastSequence(): Promise<number> {
    if (!this.#readOnly) await stampChanges(this.#database);
    return lastSequence(this.#database);
  }
}
