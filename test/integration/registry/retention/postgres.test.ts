/** Retention with the metadata in PostgreSQL. */
import { after, before, describe } from 'node:test';
import { type PostgresServer, startPostgres } from '../../../programs/postgres.ts';
import { type ServerOptions, startServer } from '../server.ts';
import { inUseContract } from './in-use.contract.ts';
import { policiesContract } from './policies.contract.ts';

let postgres: PostgresServer;
before(async () => {
  postgres = await startPostgres({ fsync: false });
});
after(() => postgres?.remove());

const start = async ({ document, ...options }: ServerOptions) => {
  const { secretDirectory } = await postgres.database();
  return startServer({
    ...options,
    document: { ...document, metadata: { postgres: { secretDirectory, tls: 'Disable' } } },
  });
};

describe('policies', () => policiesContract(start));
describe('what is in use', () => inUseContract(start));
