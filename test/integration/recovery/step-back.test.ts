/** PostgreSQL put back to an older moment, below a journal that knows more: the registry does not start on it. */
import assert from 'node:assert/strict';
import { globSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startPostgres } from '../../programs/postgres.ts';
import { createSite, serve, writeConfig } from './registry.ts';

test('a database that was put back to an older moment is refused, a failover goes on', {
  timeout: 600_000,
}, async () => {
  const postgres = await startPostgres({ fsync: false });
  const site = await createSite();
  try {
    const { secretDirectory, name } = await postgres.database();
    const storage = { filesystem: { path: site.data } };
    writeConfig(site.config, { storage, metadata: { postgres: { secretDirectory, tls: 'Disable' } } });
    const pushed = async (tag: string) => {
      const registry = await serve(site);
      await registry.pushImage('a/b', tag);
      // Ending, it writes the last changes to the journal.
      assert.equal(await registry.stop(), 0);
    };
    await pushed('early');
    await postgres.query(`CREATE DATABASE saved TEMPLATE ${name}`);
    await pushed('late');
    await pushed('later');
    await postgres.query(`ALTER DATABASE ${name} RENAME TO lost`);
    await postgres.query(`CREATE DATABASE ${name} TEMPLATE saved`);

    const objects = globSync('journal/000001/*-*', { cwd: site.data }).sort();
    assert.ok(objects.length > 2, objects.join());
    const anHourAgo = Date.now() / 1000 - 3600;
    for (const object of objects.slice(0, -1)) utimesSync(join(site.data, object), anHourAgo, anHourAgo);
    await assert.rejects(serve(site), /admin restore/);
    assert.deepEqual(globSync('journal/*/*', { cwd: site.data }).sort(), objects);

    for (const object of objects) utimesSync(join(site.data, object), anHourAgo, anHourAgo);
    await pushed('after');
    const left = globSync('journal/*/*', { cwd: site.data }).sort();
    assert.deepEqual(left.slice(0, objects.length), objects);
    await pushed('again');
  } finally {
    await postgres.remove();
    site.discard();
  }
});
