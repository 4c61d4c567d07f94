import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Peer, startDistribution } from '../../programs/distribution.ts';
import { startFaultProxy } from '../../programs/fault-proxy.ts';
import { until } from '../registry/space/until.ts';
import { cli, freshHome, outcome, startCli } from './cli.ts';
import { SampleLayout } from './sample.ts';

describe('SIGINT', () => {
  const env = freshHome();
  let peer: Peer;
  let scratch: string;
  let layout: string;

  before(async () => {
    peer = await startDistribution();
    scratch = await mkdtemp(join(tmpdir(), 'ne-interrupt-'));
    const sample = new SampleLayout(join(scratch, 'layout'));
    sample.add(await sample.image([40_000_000]), 'x');
    layout = await sample.finish();
    assert.equal((await cli(['push', `${peer.host}/good/app:x`, layout], env)).code, 0);
  });

  after(async () => {
    await peer.stop();
    await rm(scratch, { recursive: true, force: true });
    await rm(env.HOME as string, { recursive: true, force: true });
  });

  it('ends a pull within a second, with 130, and leaves no file', async () => {
    const proxy = await startFaultProxy(peer.host, ({ url = '' }) =>
      url.includes('/blobs/') ? { bytesPerSecond: 1_000_000 } : undefined,
    );
    const folder = await mkdtemp(join(scratch, 'out-'));
    const child = startCli(['pull', `${proxy.host}/good/app:x`, '--out', join(folder, 'x.tar')], env);
    const ended = outcome(child);
    while (!proxy.requests.some((line) => line.startsWith('GET') && line.includes('/blobs/'))) await delay(20);
    await until('the pull writes its file', async () => (await readdir(folder)).length === 1);
    const started = performance.now();
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    assert.ok(performance.now() - started < 1200);
    assert.deepEqual([code, stderr, await readdir(folder)], [130, 'ne-cli: interrupted\n', []]);
    await proxy.close();
  });

  it('ends a copy and leaves no tag', async () => {
    const proxy = await startFaultProxy(peer.host, ({ method, url = '' }) =>
      method === 'GET' && url.includes('/blobs/') ? { bytesPerSecond: 1_000_000 } : undefined,
    );
    const other = await startDistribution();
    const child = startCli(['copy', `${proxy.host}/good/app:x`, `${other.host}/half/app:x`], env);
    const ended = outcome(child);
    while (!proxy.requests.some((line) => line.startsWith('GET') && line.includes('/blobs/'))) await delay(20);
    await delay(300);
    const started = performance.now();
    child.kill('SIGINT');
    assert.equal((await ended).code, 130);
    assert.ok(performance.now() - started < 1200);
    assert.equal((await cli(['inspect', `${other.host}/half/app:x`], env)).code, 1);
    await proxy.close();
    await other.stop();
  });
});
