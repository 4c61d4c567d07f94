import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cache } from '../../../src/operator/kube/cache.ts';
import type { ListWatch, WatchOptions } from '../../../src/operator/kube/client.ts';
import type { KindRef } from '../../../src/operator/kube/object.ts';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { type CountingClient, collectingLog, configMap, countingClient, eventually } from './setup.ts';

const CONFIG_MAPS = { apiVersion: 'v1', kind: 'ConfigMap' };

describe('the cache, against a real API server', () => {
  let server: BareApiServer;
  let own: CountingClient;
  before(async () => {
    server = await startBareApiServer();
    own = countingClient(server);
    await own.client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
  });
  after(async () => {
    own.close();
    await server.stop();
  });

  test('holds what exists, page by page, and then what changes', async (t) => {
    const many = Array.from({ length: 620 }, (_, index) => index);
    for (let start = 0; start < many.length; start += 20) {
      await Promise.all(
        many.slice(start, start + 20).map((n) => own.client.create(configMap(`many-${n}`, { n: `${n}` }))),
      );
    }
    const cache = new Cache(own.client, { ...CONFIG_MAPS, namespaces: ['default'], log: collectingLog() });
    const changes: string[] = [];
    const deletions: string[] = [];
    cache.on('change', (object, previous) =>
      changes.push(`${object.metadata.name}${previous === undefined ? '' : '*'}`),
    );
    cache.on('delete', (object) => deletions.push(object.metadata.name));
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    assert.equal(cache.list('default').filter(({ metadata }) => metadata.name.startsWith('many-')).length, 620);
    await own.client.create(configMap('late', { a: '1' }));
    await eventually('the new one', () => cache.get('default', 'late'));
    await own.client.patch({ ...CONFIG_MAPS, namespace: 'default', name: 'late' }, { data: { a: '2' } });
    await eventually('its change', () => (cache.get('default', 'late')?.data as { a?: string } | undefined)?.a === '2');
    await own.client.delete({ ...CONFIG_MAPS, namespace: 'default', name: 'late' });
    await eventually('its end', () => cache.get('default', 'late') === undefined);
    assert.deepEqual(changes.slice(-2), ['late', 'late*']);
    assert.deepEqual(deletions, ['late']);
  });

  test('follows only the namespaces and labels asked for', async (t) => {
    const labelled = (name: string, namespace: string, ours: string) => {
      const object = configMap(name, {}, namespace);
      return { ...object, metadata: { ...object.metadata, labels: { ours } } };
    };
    const cache = new Cache(own.client, {
      ...CONFIG_MAPS,
      namespaces: ['default', 'other'],
      labelSelector: 'ours=yes',
      log: collectingLog(),
    });
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    await own.client.create(labelled('no', 'default', 'no'));
    await own.client.create(labelled('here', 'default', 'yes'));
    await own.client.create(labelled('there', 'other', 'yes'));
    await eventually('both', () => cache.list().length === 2);
    assert.deepEqual(
      cache
        .list()
        .map(({ metadata }) => metadata.name)
        .sort(),
      ['here', 'there'],
    );
    // One that loses its label is gone, as far as we follow.
    await own.client.patch(
      { ...CONFIG_MAPS, namespace: 'other', name: 'there' },
      { metadata: { labels: { ours: 'no' } } },
    );
    await eventually('one', () => cache.list().length === 1);
  });

  test('a handler that throws is logged and harms neither the others nor the cache', async (t) => {
    const log = collectingLog();
    const cache = new Cache(own.client, { ...CONFIG_MAPS, namespaces: ['other'], log });
    const heard: string[] = [];
    cache.on('change', () => {
      throw new Error('broken handler');
    });
    cache.on('change', (object) => heard.push(object.metadata.name));
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    for (const name of ['first', 'second']) await own.client.create(configMap(name, {}, 'other'));
    await eventually('both', () => heard.includes('first') && heard.includes('second'));
    assert.ok(log.lines.some(({ level, message }) => level === 'error' && message.includes('other/first')));
  });

  test('keeps no managed fields of others', async (t) => {
    await own.client.create(configMap('managed', {}));
    const cache = new Cache(own.client, { ...CONFIG_MAPS, log: collectingLog() });
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    assert.equal(cache.get('default', 'managed')?.metadata.managedFields, undefined);
  });

  test('lists again when the server has forgotten its version (410)', async (t) => {
    let lists = 0;
    let expired = 0;
    // One that has just started knows no older version than its first.
    await server.crash();
    await server.restart();
    // The real server, asked for a version that it no longer has, once.
    const forgetful: ListWatch = {
      pages: (kind, options) => {
        lists += 1;
        return own.client.pages(kind, options);
      },
      watch: async function* (kind: KindRef, options: WatchOptions) {
        try {
          yield* own.client.watch(kind, expired === 0 ? { ...options, resourceVersion: '1' } : options);
        } catch (error) {
          if ((error as { status: number }).status === 410) expired += 1;
          throw error;
        }
      } as ListWatch['watch'],
    };
    const cache = new Cache(forgetful, { ...CONFIG_MAPS, log: collectingLog() });
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    await eventually('a second list', () => lists === 2);
    assert.equal(expired, 1);
    await own.client.create(configMap('after-410', {}));
    await eventually('a change after it', () => cache.get('default', 'after-410'));
  });

  test('lists again from time to time, and finds what a watch missed', async (t) => {
    // A real watch that loses one object on the way.
    const lossy: ListWatch = {
      pages: (kind, options) => own.client.pages(kind, options),
      watch: async function* (kind: KindRef, options: WatchOptions) {
        for await (const event of own.client.watch(kind, options)) {
          if (event.object.metadata.name !== 'missed') yield event;
        }
      } as ListWatch['watch'],
    };
    const cache = new Cache(lossy, { ...CONFIG_MAPS, relistSeconds: 2, log: collectingLog() });
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    await own.client.create(configMap('missed', {}));
    await eventually('the missed one', () => cache.get('default', 'missed'));
    await own.client.delete({ ...CONFIG_MAPS, namespace: 'default', name: 'missed' });
    await eventually('its end', () => cache.get('default', 'missed') === undefined);
  });

  test('survives a crash of the API server, and misses nothing', async (t) => {
    const log = collectingLog();
    const cache = new Cache(own.client, { ...CONFIG_MAPS, namespaces: ['default'], log });
    const changes: string[] = [];
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    const known = cache.list().length;
    cache.on('change', (object, previous) => previous === undefined && changes.push(object.metadata.name));
    changes.length = 0;
    await server.crash();
    await eventually('an attempt that failed', () => log.lines.some(({ level }) => level === 'warn'));
    assert.equal(cache.list().length, known, 'what was known stays known');
    await server.restart();
    await own.client.create(configMap('after-crash', {}));
    await eventually('the change after the crash', () => cache.get('default', 'after-crash'));
    assert.deepEqual(changes, ['after-crash'], 'nothing is told twice');
  });

  test('stops at once, with a watch open', async (t) => {
    const cache = new Cache(own.client, { ...CONFIG_MAPS, log: collectingLog() });
    t.after(() => cache.stop());
    cache.start();
    await cache.synced();
    const started = Date.now();
    await cache.stop();
    // The server would end the watch after minutes.
    assert.ok(Date.now() - started < 10_000);
    const never = new Cache(own.client, { apiVersion: 'nobody.example/v1', kind: 'Nothing', log: collectingLog() });
    never.start();
    const waiting = assert.rejects(never.synced(), /Nothing was stopped/);
    await never.stop();
    await waiting;
  });
});
