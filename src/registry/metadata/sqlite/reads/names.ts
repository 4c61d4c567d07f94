import type { Page } from '../../store.ts';
import type { Connection } from '../connection.ts';

type Joined = { names: string | null };

export function repositoryExists(connection: Connection, repository: string): boolean {
  return connection.get('SELECT 1 AS found FROM repositories WHERE name = ?', repository) !== undefined;
}

/**
 * One string instead of a thousand rows is three times as quick. No name holds a line feed; the inner query's order is kept,
 * because its rows are added as they come.
 */
function joined(inner: string): string {
  return `SELECT group_concat(name, char(10)) AS names FROM (${inner})`;
}

const TAGS =
  joined(`SELECT name FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE name = ?) AND name > ?
  ORDER BY name LIMIT ?`);
const REPOSITORIES = joined('SELECT name FROM repositories WHERE manifests > 0 AND name > ? ORDER BY name LIMIT ?');

export function tags(connection: Connection, repository: string, { last = '', limit }: Page): string[] {
  return split(connection.get<Joined>(TAGS, repository, last, limit));
}

export function repositories(connection: Connection, { last = '', limit }: Page): string[] {
  return split(connection.get<Joined>(REPOSITORIES, last, limit));
}

function split(row: Joined | undefined): string[] {
  return row?.names?.split('\n') ?? [];
}
