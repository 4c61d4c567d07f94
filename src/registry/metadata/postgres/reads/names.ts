import type { Page } from '../../store.ts';
import type { Database } from '../database.ts';
import type { Statement } from '../session.ts';

const exists: Statement = { name: 'repository_exists', text: 'SELECT 1 AS found FROM repositories WHERE name = $1' };
const tagNames: Statement = {
  name: 'tags',
  text: `SELECT name FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE name = $1) AND name > $2
    ORDER BY name LIMIT $3`,
};
const repositoryNames: Statement = {
  name: 'repositories',
  text: 'SELECT name FROM repositories WHERE listed AND name > $1 ORDER BY name LIMIT $2',
};

type Named = { name: string };

export async function repositoryExists(database: Database, repository: string): Promise<boolean> {
  return (await database.read(exists, [repository])).length > 0;
}

export async function tags(database: Database, repository: string, { last = '', limit }: Page): Promise<string[]> {
  return (await database.read<Named>(tagNames, [repository, last, limit])).map(({ name }) => name);
}

export async function repositories(database: Database, { last = '', limit }: Page): Promise<string[]> {
  return (await database.read<Named>(repositoryNames, [last, limit])).map(({ name }) => name);
}
