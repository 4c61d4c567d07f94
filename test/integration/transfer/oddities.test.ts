/** What sources do that copies must neither follow nor fall for. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { copyImage, copyReferrers } from '../../../src/transfer/copy/copy-image.ts';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { RegistryImage } from '../../../src/transfer/image/registry-image.ts';
import { readTags } from '../../../src/transfer/registry/listing.ts';
import { deleteManifest, headManifest } from '../../../src/transfer/registry/manifests.ts';
import { fallbackTag, listReferrers, referrersDigest } from '../../../src/transfer/registry/referrers.ts';
import { type FaultProxy, first, startFaultProxy } from '../../programs/fault-proxy.ts';
import { copyAll, copyUntilDone } from './copying.ts';
import { oci, type Place, type PushedDescriptor, pushImage, pushIndex, pushManifest, pushReferrer } from './images.ts';
import { clientOf, type Peer, registries } from './registries.ts';
import { truthOf } from './truth.ts';

const signal = () => AbortSignal.timeout(120_000);

for (const name of ['ours', 'distribution']) {
  describe(`a source (${name}) that does odd things`, () => {
    let peer: Peer;
    let target: Peer;
    let line: FaultProxy;
    let targetLine: FaultProxy;
    const closing: (() => unknown)[] = [];

    before(async () => {
      peer = await (registries[name] as () => Promise<Peer>)();
      target = await (registries[name === 'ours' ? 'distribution' : 'ours'] as () => Promise<Peer>)();
      line = await startFaultProxy(peer.host);
      targetLine = await startFaultProxy(target.host);
      closing.push(
        () => peer.stop(),
        () => target.stop(),
        () => line.close(),
        () => targetLine.close(),
      );
    });

    after(async () => {
      for (const close of closing.reverse()) await close();
    });

    const from = (repository: string, host?: string): Place => ({ client: clientOf(peer, host), repository });
    const to = (repository: string, host?: string): Place => ({ client: clientOf(target, host), repository });
    const image = ({ client, repository }: Place) => new RegistryImage(client, repository);

    it('moves a tag while it is copied: the old image arrives whole, the next comparison brings the new one', async () => {
      const source = from('odd/moves');
      await pushImage(source, [2_000_000], { tag: 'x' });
      const old = await truthOf(source);
      let moved: Promise<unknown> | undefined;
      line.plan = ({ url = '' }) => {
        if (url.includes('/blobs/')) moved ??= pushImage(source, [1_500_000], { tag: 'x' });
        return undefined;
      };
      assert.deepEqual((await copyAll(from('odd/moves', line.host), to('odd/moves'))).failures, []);
      await moved;
      assert.deepEqual(await truthOf(to('odd/moves')), old);
      await copyUntilDone(source, to('odd/moves'));
      assert.deepEqual(await truthOf(to('odd/moves')), await truthOf(source));
    });

    it('lacks what an index names: no tag, and the error says what is missing', async () => {
      const source = from('odd/child');
      const { children } = await pushIndex(source, [1000], { tag: 'whole' });
      await copyAll(source, to('odd/child'));
      const [gone] = children as [PushedDescriptor, PushedDescriptor];
      await deleteManifest(source.client, { repository: source.repository, reference: gone.digest }, signal());
      const { failures } = await copyAll(source, to('odd/other'));
      assert.deepEqual(
        failures.map(({ fault, side, course }) => [fault, side, course]),
        [['NotFound', 'source', 'wait']],
      );
      assert.match(String(failures[0]), new RegExp(gone.digest));
      assert.deepEqual((await readTags(to('odd/other').client, 'odd/other', signal())).tags, []);
      // Who has it all already keeps it.
      assert.equal(Object.keys((await truthOf(to('odd/child'))).tags).length, 1);
    });

    it('fails at the second page of its tags: the whole listing fails', async () => {
      const source = from('odd/pages', line.host);
      const page = { tags: ['a', 'b'], name: 'odd/pages' };
      const link = { link: '</v2/odd/pages/tags/list?n=2&last=b>; rel="next"', 'content-type': 'application/json' };
      line.plan = ({ url = '' }) => {
        if (!url.includes('/tags/list')) return undefined;
        return url.includes('last=b')
          ? { status: 500 }
          : { status: 200, body: JSON.stringify(page), headers: { ...link } };
      };
      await assert.rejects(readTags(source.client, source.repository, signal()), (error) =>
        isTransferError(error, 'ServerFailed'),
      );
    });

    it('answers an empty list: it is told from a repository that is not there', async () => {
      const source = from('odd/empty', line.host);
      line.plan = first(1, ({ url = '' }) => url.includes('/tags/list'), {
        status: 200,
        body: '{"name":"odd/empty","tags":null}',
        headers: { 'content-type': 'application/json' },
      });
      const read = async () => await readTags(source.client, source.repository, signal());
      assert.deepEqual(await read(), { tags: [], found: true });
      assert.deepEqual(await read(), { tags: [], found: false });
    });

    it('names referrers in a circle, and one that is gone: what is there arrives, once', async () => {
      const source = from('odd/circle', line.host);
      const subject = await pushImage(from('odd/circle'), [1000], { tag: 'x' });
      const signature = await pushReferrer(from('odd/circle'), subject);
      const lost: PushedDescriptor = { mediaType: oci.manifest, digest: `sha256:${'c'.repeat(64)}`, size: 7 };
      const lists: Record<string, PushedDescriptor[]> = {
        [subject.digest]: [signature, lost],
        [signature.digest]: [subject, signature],
      };
      line.plan = ({ url = '' }) => {
        const of = /\/(?:referrers\/|manifests\/(?=sha256-))([^?]+)/.exec(url)?.[1]?.replace('-', ':');
        if (of === undefined) return undefined;
        const body = JSON.stringify({ schemaVersion: 2, mediaType: oci.index, manifests: lists[of] ?? [] });
        return { status: 200, body, headers: { 'content-type': oci.index } };
      };
      const { failures, results } = await copyAll(source, to('odd/circle'));
      assert.deepEqual(failures, []);
      assert.deepEqual(
        results.map(({ referrers, absent }) => [referrers, absent]),
        [[1, [lost.digest]]],
      );
      const arrived = await truthOf(to('odd/circle'));
      assert.deepEqual(arrived.referrers, { [subject.digest]: [signature.digest] });
    });

    it('gets a signature later: it is noticed by comparing, and it alone is copied', async () => {
      const source = from('odd/late');
      const subject = await pushImage(source, [2_000_000], { tag: 'x' });
      const early = await pushReferrer(source, subject);
      await copyAll(source, to('odd/late'));
      const digests = async () => {
        const ends = [source, to('odd/late')];
        return await Promise.all(
          ends.map(async (end) =>
            referrersDigest(await listReferrers(end.client, end.repository, subject.digest, signal())),
          ),
        );
      };
      const [before, there] = await digests();
      assert.equal(before, there);
      const late = await pushReferrer(source, subject);
      const [now, still] = await digests();
      assert.notEqual(now, still);
      const since = targetLine.requests.length;
      const counts = await copyReferrers({
        source: image(source),
        target: image(to('odd/late', targetLine.host)),
        subjects: [subject.digest],
        signal: signal(),
      });
      assert.deepEqual([counts.referrers, counts.manifests], [1, { copied: 1, present: 1 }]);
      const written = targetLine.requests.slice(since).filter((line) => /^(PUT|POST|PATCH) .*manifests/.test(line));
      assert.ok(!written.join().includes(early.digest), written.join('\n'));
      assert.ok(written.join().includes(late.digest));
      const [same, again] = await digests();
      assert.equal(same, again);
    });

    it('has a referrer that the target holds and does not list: it is listed', async () => {
      const source = from('odd/unlisted');
      const subject = await pushImage(source, [1000], { tag: 'x' });
      const signature = await pushReferrer(source, subject);
      await copyAll(source, to('odd/unlisted'));
      const { client, repository } = to('odd/unlisted');
      const tag = fallbackTag(subject.digest);
      const fallback = await headManifest(client, repository, tag, signal());
      // Only where there is no API can it be held and not listed: as if a copy had died before the last step.
      if (fallback !== undefined) {
        const empty = { schemaVersion: 2, mediaType: oci.index, manifests: [] };
        await pushManifest({ client, repository }, empty, tag);
      }
      await copyUntilDone(source, to('odd/unlisted'));
      const listed = await listReferrers(client, repository, subject.digest, signal());
      assert.deepEqual(
        listed.map(({ digest }) => digest),
        [signature.digest],
      );
    });

    it('loses an image between two copies of a long list: the others arrive', async () => {
      const source = from('odd/list');
      const digests: Digest[] = [];
      for (const tag of ['a', 'b', 'c']) digests.push((await pushImage(source, [500], { tag })).digest);
      const taken = from('odd/list', line.host);
      line.plan = first(1, ({ url = '' }) => url.endsWith('/manifests/b'), { status: 404 });
      const { failures, results } = await copyAll(taken, to('odd/list'));
      assert.deepEqual([failures.map(({ fault }) => fault), results.length], [['NotFound'], 2]);
      assert.deepEqual((await readTags(to('odd/list').client, 'odd/list', signal())).tags, ['a', 'c']);
    });

    it('sends the headers that go with a tag, and tells a conflict from a refusal', async () => {
      const source = from('odd/headers');
      await pushImage(source, [500], { tag: 'x' });
      const seen: unknown[] = [];
      targetLine.plan = ({ method, url = '', headers }) => {
        if (method !== 'PUT' || !url.endsWith('/manifests/x')) return undefined;
        seen.push(headers['ne-tag-version']);
        return { status: 409, body: '{"errors":[{"code":"DENIED","message":"the tag is newer here"}]}' };
      };
      const copying = copyImage({
        source: image(source),
        target: image(to('odd/headers', targetLine.host)),
        image: 'x',
        tag: 'x',
        tagHeaders: { 'NE-Tag-Version': '7' },
        signal: signal(),
      });
      await assert.rejects(copying, (error) => isTransferError(error, 'Conflict') && error.status === 409);
      assert.deepEqual(seen, ['7']);
      targetLine.plan = () => undefined;
    });
  });
}
