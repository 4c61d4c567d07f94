/** A process that pushes until it is killed, and says on stdout what was acknowledged. Started by `failover.test.ts`. */
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import { digest, manifest } from '../../contract/fixtures.ts';

const [secretDirectory = '', from = '0'] = process.argv.slice(2);
const store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', poolSize: 4 });
let next = Number(from);
await Promise.all(
  Array.from({ length: 8 }, async () => {
    for (;;) {
      const n = next++;
      const put = manifest({ repository: 'killed/r', digest: digest(n), tags: ['latest', `t${n}`] });
      await store.putManifest(put);
      process.stdout.write(`${n}\n`);
    }
  }),
);
