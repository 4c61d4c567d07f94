import type { Connection } from '../connection.ts';

/** Row id of a repository, or undefined where nothing was ever pushed there. */
export function findRepository(connection: Connection, name: string): number | undefined {
  return connection.get<{ id: number }>('SELECT id FROM repositories WHERE name = ?', name)?.id;
}

/** Row id of a repository, made where there is none. */
export function ensureRepository(connection: Connection, name: string): number {
  return findRepository(connection, name) ?? connection.run('INSERT INTO repositories (name) VALUES (?)', name).id;
}
