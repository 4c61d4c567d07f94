import type { NewRemoval } from '../../reclaiming.ts';
import type { Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';

export interface NamelessKey {
  readonly key: string;
  readonly size: number;
  readonly createdAt: Millis;
  readonly now: Millis;
  /** For how long the bytes stay for readers who have looked the key up already, milliseconds. */
  readonly delay: number;
}

/** Notes a key that no blob names any more, in the transaction that took its name away. */
export function noteRemoval(connection: Connection, { key, size, createdAt, now, delay }: NamelessKey): void {
  const sql = 'INSERT OR IGNORE INTO removals (key, size, created_at, removed_at, not_before) VALUES (?, ?, ?, ?, ?)';
  connection.run(sql, key, size, createdAt, now, now + delay);
}

export function addRemovals(
  connection: Connection,
  { removals, delay }: { removals: readonly NewRemoval[]; delay: number },
): void {
  for (const removal of removals) {
    const named = connection.get('SELECT 1 AS found FROM blobs WHERE key = ?', removal.key) !== undefined;
    if (!named) noteRemoval(connection, { ...removal, delay });
  }
}

export function forgetRemovals(connection: Connection, { keys }: { keys: readonly string[] }): void {
  for (const key of keys) connection.run('DELETE FROM removals WHERE key = ?', key);
}

/** From now on bytes of any age that nothing accounts for are orphans. */
export function accountForAll(connection: Connection, _nothing: object): void {
  connection.run('UPDATE accounting SET since = 0');
}
