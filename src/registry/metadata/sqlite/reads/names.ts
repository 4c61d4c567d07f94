import type { Page } from '../../store.ts';
import type { Connection } from '../connection.ts';

type Named = { name: string };

export function repositoryExists(connection: Connection, repository: string): boolean {
  return connection.get('SELECT 1 AS found FROM repositories WHERE name = ?', repository) !== undefined;
}

export function tags(connection: Connection, repository: string, { last = '', limit }: Page): string[] {
  const sql = `SELECT name FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE name = ?) AND name > ?
    ORDER BY name LIMIT ?`;
  return connection.all<Named>(sql, repository, last, limit).map(({ name }) => name);
}

export function repositories(connection: Connection, { last = '', limit }: Page): string[] {
  const sql = 'SELECT name FROM repositories WHERE manifests > 0 AND name > ? ORDER BY name LIMIT ?';
  return connection.all<Named>(sql, last, limit).map(({ name }) => name);
}
