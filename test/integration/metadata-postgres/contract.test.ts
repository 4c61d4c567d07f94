/** PostgreSQL keeps every promise of a MetadataStore, on a real server. */
import { after, before } from 'node:test';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import { metadataContract } from '../../contract/metadata.contract.ts';
import { metadataBlobContract } from '../../contract/metadata-blobs.contract.ts';
import { metadataJobContract } from '../../contract/metadata-jobs.contract.ts';
import { metadataListContract } from '../../contract/metadata-lists.contract.ts';
import { metadataModelContract } from '../../contract/metadata-model.contract.ts';
import { metadataReclaimContract } from '../../contract/metadata-reclaim.contract.ts';
import { metadataReplicationContract } from '../../contract/metadata-replicating.contract.ts';
import { metadataRetentionContract } from '../../contract/metadata-retention.contract.ts';
import { metadataRuleContract } from '../../contract/metadata-rules.contract.ts';
import { metadataTrashContract } from '../../contract/metadata-trash.contract.ts';
import { type PostgresServer, startPostgres } from '../../programs/postgres.ts';

let server: PostgresServer;
before(async () => {
  server = await startPostgres({ fsync: false });
});
after(() => server.remove());

async function open() {
  const { secretDirectory } = await server.database();
  const store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', poolSize: 4, removalDelay: 0 });
  return { store, close: () => store.close() };
}

metadataContract('PostgreSQL', open);
metadataBlobContract('PostgreSQL', open);
metadataListContract('PostgreSQL', open);
metadataReclaimContract('PostgreSQL', open);
metadataJobContract('PostgreSQL', open);
metadataRuleContract('PostgreSQL', open);
metadataReplicationContract('PostgreSQL', open);
metadataRetentionContract('PostgreSQL', open);
metadataTrashContract('PostgreSQL', open);
metadataModelContract('PostgreSQL', open, 20, false);
