import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle } from '../../../build/bundle.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

const MiB = 1024 * 1024;
const dist = mkdtempSync(join(tmpdir(), 'ne-replication-bundle-'));
let a: Site;
let b: Site;
before(async () => {
  await bundle(dist);
  [a, b] = await Promise.all([startSite({ bundle: dist }), startSite({ bundle: dist })]);
});
after(async () => {
  await Promise.all([a.server.discard(), b.server.discard()]);
  rmSync(dist, { recursive: true });
});

/** Pushes a blob of so many bytes without ever having it in memory; answers its descriptor. */
async function pushLarge(
  repository: string,
  chunks: number,
  chunk: Buffer,
): Promise<{ mediaType: string; digest: string; size: number }> {
  const { createHash } = await import('node:crypto');
  const mark = randomBytes(16);
  const hash = createHash('sha256').update(mark);
  for (let at = 0; at < chunks; at++) hash.update(chunk);
  const digest = `sha256:${hash.digest('hex')}`;
  const begun = await a.request('POST', `/v2/${repository}/blobs/uploads/`);
  let sent = -1;
  const body = new ReadableStream({
    pull(controller) {
      if (sent < 0) controller.enqueue(mark);
      else if (sent < chunks) controller.enqueue(chunk);
      else controller.close();
      sent += 1;
    },
  });
  const done = await a.request('PUT', `${begun.headers.get('location')}?digest=${digest}`, { body });
  assert.equal(done.status, 201, done.body.toString());
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: chunks * chunk.length + mark.length };
}

test('sixteen large layers at once are copied within 150 MiB, both ways of copying', async (t) => {
  const chunk = randomBytes(MiB);
  const image = async (repository: string) => {
    const layers = [];
    for (let layer = 0; layer < 16; layer++) layers.push(await pushLarge(repository, 24, chunk));
    return (await a.pushImage(repository, '1', { layers })).digest;
  };
  const [pushed, pulled] = [await image('heavy/one'), await image('heavy/two')];
  const transfer = { concurrency: 16 };
  await a.rule('push', { source: 'here.example/heavy/one', targets: [`${b.server.host}/pushed/app`], transfer }, [
    self,
    connectionTo(b.server),
  ]);
  let most = { pushing: 0, pulling: 0 };
  await until(
    'the push',
    async () => {
      most = { ...most, pushing: Math.max(most.pushing, a.server.rss()) };
      return (await b.tag('pushed/app', '1')) === pushed;
    },
    400_000,
  );
  await b.rule('pull', { source: `${a.server.host}/heavy/two`, targets: ['here.example/pulled/app'], transfer }, [
    self,
    connectionTo(a.server),
  ]);
  await until(
    'the pull',
    async () => {
      most = { ...most, pulling: Math.max(most.pulling, b.server.rss()) };
      return (await b.tag('pulled/app', '1')) === pulled;
    },
    400_000,
  );
  t.diagnostic(`pushing ${Math.round(most.pushing / MiB)} MiB, pulling ${Math.round(most.pulling / MiB)} MiB`);
  assert.ok(most.pushing < 150 * MiB, `pushing took ${Math.round(most.pushing / MiB)} MiB`);
  assert.ok(most.pulling < 150 * MiB, `pulling took ${Math.round(most.pulling / MiB)} MiB`);
});
