/** A process that opens the store and closes it again. Started by `migrations.test.ts`. */
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';

const store = await openPostgres({
  secretDirectory: process.argv[2] ?? '',
  tls: 'Disable',
  mode: 'serve',
  poolSize: 2,
});
await store.repositories({ limit: 1 });
await store.close();
process.stdout.write('opened\n');
