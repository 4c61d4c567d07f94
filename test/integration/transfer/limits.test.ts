/** What copies that run at once share: bandwidth, connections, and blobs that are on their way. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BlobLedger } from '../../../src/transfer/copy/blob-ledger.ts';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { BandwidthLimit } from '../../../src/transfer/http/bandwidth-limit.ts';
import { hasBlob } from '../../../src/transfer/registry/blob-writer.ts';
import { Hosts } from '../../../src/transfer/registry/hosts.ts';
import { headManifest } from '../../../src/transfer/registry/manifests.ts';
import { type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { copyAll } from './copying.ts';
import { oci, type Place, pushBlob, pushImage } from './images.ts';
import { clientOf, type Peer, registries } from './registries.ts';
import { truthOf } from './truth.ts';

const signal = () => AbortSignal.timeout(120_000);

describe('copies at the same time', () => {
  let source: Peer;
  let target: Peer;
  let line: FaultProxy;
  const closing: (() => unknown)[] = [];

  before(async () => {
    source = await (registries.distribution as () => Promise<Peer>)();
    target = await (registries.distribution as () => Promise<Peer>)();
    line = await startFaultProxy(target.host);
    closing.push(
      () => source.stop(),
      () => target.stop(),
      () => line.close(),
    );
  });

  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  const from = (repository: string): Place => ({ client: clientOf(source), repository });
  const to = (repository: string, hosts?: Hosts): Place => ({
    client: clientOf(target, line.host, hosts === undefined ? {} : { hosts }),
    repository,
  });
  /** Uploads of large blobs that were started since. */
  const uploads = (since: number) => line.requests.slice(since).filter((one) => one.startsWith('PATCH')).length;

  it('share the bandwidth of their rule', async () => {
    const sizes = [2_000_000, 1_500_000, 1_500_000];
    for (const name of ['limit/a', 'limit/b']) await pushImage(from(name), sizes, { tag: 'x' });
    const rate = 2_500_000;
    const bandwidth = new BandwidthLimit(rate);
    const started = performance.now();
    const passes = await Promise.all(
      ['limit/a', 'limit/b'].map((name) => copyAll(from(name), to(name), { bandwidth })),
    );
    const seconds = (performance.now() - started) / 1000;
    const bytes = passes.flatMap(({ results }) => results).reduce((sum, result) => sum + result.bytes, 0);
    assert.ok(bytes > 10_000_000);
    assert.ok(bytes / seconds <= rate * 1.05, `${bytes / seconds} bytes/s`);
  });

  it('end within a second when their rule does, and leave no tag', async () => {
    await pushImage(from('cancel/app'), [5_000_000], { tag: 'x' });
    const bandwidth = new BandwidthLimit(200_000);
    const cancel = new AbortController();
    const copying = copyAll(from('cancel/app'), to('cancel/app'), { bandwidth, signal: cancel.signal });
    // Its bytes are on their way.
    for (const end = Date.now() + 60_000; !line.requests.some((one) => /^PATCH .*cancel\/app/.test(one)); ) {
      assert.ok(Date.now() < end, 'no upload was begun');
      await delay(20);
    }
    await delay(300);
    const started = performance.now();
    cancel.abort();
    const { failures } = await copying;
    assert.ok(performance.now() - started < 1000, `${performance.now() - started} ms`);
    assert.deepEqual(
      failures.map(({ fault }) => fault),
      ['Cancelled'],
    );
    assert.equal(await headManifest(to('cancel/app').client, 'cancel/app', 'x', signal()), undefined);
    assert.ok(line.requests.at(-1)?.startsWith('HEAD'), 'nothing goes on behind our back');
    assert.ok(line.requests.some((one) => one.startsWith('DELETE') && one.includes('cancel/app/blobs/uploads')));
  });

  it('of two rules bring each blob once, over connections that they share', async () => {
    await pushImage(from('shared/app'), [2_000_000, 2_500_000, 3_000_000], { tag: 'x' });
    const hosts = new Hosts({ transfers: 2 });
    const ledger = new BlobLedger();
    const since = line.requests.length;
    let now = 0;
    let most = 0;
    line.plan = ({ method }) => {
      if (method !== 'PATCH') return undefined;
      now += 1;
      most = Math.max(most, now);
      setTimeout(() => {
        now -= 1;
      }, 60);
      return { latencyMs: 60 };
    };
    const rules = [to('shared/app', hosts), to('shared/app', hosts), to('shared/app', hosts)];
    const passes = await Promise.all(rules.map((place) => copyAll(from('shared/app'), place, { ledger })));
    line.plan = () => undefined;
    hosts.close();
    assert.equal(uploads(since), 3);
    assert.ok(most <= 2, `${most} at once`);
    assert.deepEqual(
      passes.map(({ failures }) => failures),
      [[], [], []],
    );
  });

  it('of many repositories send a layer that they share once, and mount it everywhere else', async () => {
    const layer = randomBytes(2_000_000);
    const names = Array.from({ length: 12 }, (_, number) => `many/app-${number}`);
    for (const name of names) {
      const pushed = await pushBlob(from(name), layer, oci.layer);
      await pushImage(from(name), [1000], { tag: 'x', layers: [pushed] });
    }
    const ledger = new BlobLedger();
    const since = line.requests.length;
    const passes = await Promise.all(names.map((name) => copyAll(from(name), to(name), { ledger })));
    assert.equal(uploads(since), 1);
    const mounted = passes.flatMap(({ results }) => results).reduce((sum, { blobs }) => sum + blobs.mounted, 0);
    assert.equal(mounted, names.length - 1);
    for (const name of names) assert.deepEqual(await truthOf(to(name)), await truthOf(from(name)));
  });

  it('send again what the target lost meanwhile', async () => {
    const layer = await pushBlob(from('lost/app'), randomBytes(1_500_000), oci.layer);
    await pushImage(from('lost/app'), [1000], { tag: 'x', layers: [layer] });
    const ledger = new BlobLedger();
    await copyAll(from('lost/app'), to('lost/app'), { ledger });
    const { client } = to('lost/app');
    const path = `/v2/lost/app/blobs/${layer.digest}`;
    await client.request({ method: 'DELETE', path, scopes: [], what: 'lose a blob', accept: [202], signal: signal() });
    await pushImage(from('lost/app'), [2000], { tag: 'y', layers: [layer] });
    const { failures } = await copyAll(from('lost/app'), to('lost/app'), { ledger });
    assert.deepEqual(failures, []);
    assert.ok(await hasBlob(client, 'lost/app', layer.digest, signal()));
  });

  it('wait no longer than they should on a host that is busy for hours', async () => {
    await pushImage(from('busy/app'), [1000], { tag: 'x' });
    line.plan = () => ({ status: 429, headers: { 'retry-after': '7200' } });
    const started = performance.now();
    const { failures } = await copyAll(from('busy/app'), to('busy/app'));
    line.plan = () => undefined;
    assert.ok(performance.now() - started < 5000);
    const [failure] = failures;
    assert.ok(isTransferError(failure, 'RateLimited'));
    assert.deepEqual([failure.course, failure.retryAfterMs, failure.side], ['retry', 7_200_000, 'target']);
  });
});
