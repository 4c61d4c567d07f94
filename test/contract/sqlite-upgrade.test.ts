/** A database that an older program wrote is brought up to date at the first start, with everything in it. */
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { APPLICATION_ID } from '../../src/registry/metadata/sqlite/migrations.ts';
import { databasePath, openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import { initialSchema } from '../../src/registry/metadata/sqlite/schema.ts';
import { reclaimSchema } from '../../src/registry/metadata/sqlite/schema-reclaim.ts';
import { temporaryFolder } from './fixtures.ts';
import { HELD_BEFORE, requireUpgraded } from './upgrade.ts';

test('a database from before there were rules, versions and retention', async () => {
  const folder = await temporaryFolder();
  try {
    const db = new DatabaseSync(databasePath(folder.path));
    db.exec(`${initialSchema}${reclaimSchema}${HELD_BEFORE.replace("'{}' FROM", "CAST('{}' AS BLOB) FROM")}`);
    db.exec(`PRAGMA user_version = 2; PRAGMA application_id = ${APPLICATION_ID}`);
    db.close();
    const store = await openSqlite({
      directory: folder.path,
      mode: 'offline',
      onDeath: () => undefined,
      reserveBytes: 0,
    });
    try {
      await requireUpgraded(store);
    } finally {
      await store.close();
    }
  } finally {
    await folder.remove();
  }
});
