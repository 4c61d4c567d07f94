import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import { temporaryFolder } from './fixtures.ts';
import { type MetadataFixture, metadataContract } from './metadata.contract.ts';
import { metadataBlobContract } from './metadata-blobs.contract.ts';
import { metadataJobContract } from './metadata-jobs.contract.ts';
import { metadataListContract } from './metadata-lists.contract.ts';
import { metadataModelContract } from './metadata-model.contract.ts';
import { metadataReclaimContract } from './metadata-reclaim.contract.ts';
import { metadataReplicationContract } from './metadata-replicating.contract.ts';
import { metadataRetentionContract } from './metadata-retention.contract.ts';
import { metadataRuleContract } from './metadata-rules.contract.ts';
import { metadataTrashContract } from './metadata-trash.contract.ts';

function open(mode: 'serve' | 'offline'): () => Promise<MetadataFixture> {
  return async () => {
    const folder = await temporaryFolder();
    const onDeath = (error: Error) => {
      throw error;
    };
    const store = await openSqlite({ directory: folder.path, mode, onDeath, reserveBytes: 0 });
    return { store, close: () => store.close().then(folder.remove) };
  };
}

metadataContract('SQLite', open('serve'));
metadataBlobContract('SQLite', open('serve'));
metadataListContract('SQLite', open('serve'));
metadataReclaimContract('SQLite', open('serve'));
metadataJobContract('SQLite', open('serve'));
metadataRuleContract('SQLite', open('serve'));
metadataRetentionContract('SQLite', open('serve'));
metadataTrashContract('SQLite', open('serve'));
metadataReplicationContract('SQLite', open('serve'));
metadataContract('SQLite in process', open('offline'));
metadataModelContract('SQLite', open('serve'), 15);
metadataModelContract('SQLite in process', open('offline'), 40);
