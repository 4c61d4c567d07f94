/** What another registry lists becomes part of paths, also on a third one: names that are none lead nowhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypes } from '../../../src/domain/oci/media-types.ts';
import { peerTags, readPeerPage } from '../../../src/registry/replication/peer-list.ts';
import { RemoteSide } from '../../../src/registry/replication/remote/remote-side.ts';
import { closureOf } from '../../../src/transfer/copy/closure.ts';
import type { ImageSource, ImageTarget } from '../../../src/transfer/image/image.ts';
import type { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { listPages, tagsIn } from '../../../src/transfer/registry/listing.ts';
import {
  deleteManifest,
  getManifest,
  headManifest,
  type ManifestBytes,
  putManifest,
} from '../../../src/transfer/registry/manifests.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const escapes = [
  '../../../prod/app/manifests/latest',
  '..',
  'a/b',
  'a?b',
  'a#b',
  'a\nb',
  '',
  '%2e%2e',
  'a'.repeat(129),
];
const signal = new AbortController().signal;
const silent = {
  host: 'target.example',
  request: () => assert.fail('it was asked'),
  read: () => assert.fail('it was asked'),
} as unknown as RegistryClient;

test('no request is made for what cannot be the name of an image', async () => {
  const manifest = { digest, mediaType: 'x', bytes: Buffer.alloc(0) } as ManifestBytes;
  const none = { fault: 'Invalid', message: /is no name of an image/ };
  for (const reference of escapes) {
    await assert.rejects(putManifest(silent, { repository: 'team/app', reference }, manifest, signal), none);
    await assert.rejects(deleteManifest(silent, { repository: 'team/app', reference }, signal), none);
    await assert.rejects(getManifest(silent, 'team/app', reference, signal), none);
    await assert.rejects(headManifest(silent, 'team/app', reference, signal), none);
  }
  await assert.rejects(getManifest(silent, 'team/../prod', 'v1', signal), none);
});

test('a list with such a name is refused as a whole, whoever sends it', () => {
  for (const tag of escapes) {
    assert.throws(() => tagsIn({ tags: ['v1', tag] }, 'source.example'), /source\.example: lists ".*", which cannot/);
    const entry = { digest, version: 1, origin: 'o' };
    const tags = [
      { ...entry, tag: 'v1' },
      { ...entry, tag },
    ];
    assert.equal(readPeerPage({ registry: 'r', tags }), undefined);
  }
});

test('a version that no number follows is none', () => {
  const pageOf = (version: unknown) =>
    readPeerPage({ registry: 'r', tags: [{ tag: 'v1', digest, version, origin: 'o' }] });
  for (const version of [0, -1, 1.5, 2 ** 53, 1e300, '1', null]) assert.equal(pageOf(version), undefined);
  assert.equal(pageOf(7)?.tags[0]?.version, 7);
});

test('a list that does not end is given up', async () => {
  let pages = 0;
  const endless = {
    host: 'source.example',
    read: async () => {
      pages += 1;
      const tags = Array.from({ length: 50_000 }, (_, index) => `v${pages}-${index}`);
      const bytes = Buffer.from(JSON.stringify({ name: 'a', tags }));
      const url = new URL('https://source.example/');
      return { bytes, url, headers: { link: `</v2/a/tags/list?last=${pages}>; rel="next"` } };
    },
  } as unknown as RegistryClient;
  const side = new RemoteSide({ client: endless, signatures: false, times: false });
  await assert.rejects(side.list('a', signal), /its list does not end/);
  assert.ok(pages < 50, `${pages} pages`);
});

test('empty pages without end are given up too', async () => {
  let pages = 0;
  const endless = {
    host: 'source.example',
    read: async () => {
      pages += 1;
      const url = new URL('https://source.example/');
      return { bytes: Buffer.from('{}'), url, headers: { link: `</v2/a/tags/list?last=${pages}>; rel="next"` } };
    },
  } as unknown as RegistryClient;
  const request = { path: '/v2/a/tags/list', scopes: [], what: 'list', accept: peerTags };
  await assert.rejects(Array.fromAsync(listPages(endless, request, signal)), /its list does not end/);
});

test('an image whose manifests are larger than memory is not read to its end', async () => {
  const bytes = Buffer.alloc(8 * 1024 * 1024);
  let read = 0;
  const name = (number: number) => `sha256:${String(number).padStart(64, '0')}` as const;
  const child = (number: number) => ({ mediaType: mediaTypes.ociManifest, digest: name(number), size: bytes.length });
  const source = {
    name: 'source.example',
    manifest: async (reference: string) => {
      read += 1;
      const content = { kind: 'image', layers: [], children: [] };
      return { digest: reference, mediaType: mediaTypes.ociManifest, bytes, content } as unknown as ManifestBytes;
    },
  } as unknown as ImageSource;
  const target = { hasManifest: async () => false } as unknown as ImageTarget;
  const content = { kind: 'index', layers: [], children: Array.from({ length: 100 }, (_, index) => child(index)) };
  const root = { digest, mediaType: mediaTypes.ociIndex, bytes, content } as unknown as ManifestBytes;
  await assert.rejects(closureOf(root, { source, target, concurrency: 2, signal }), /more than \d+ bytes/);
  assert.ok(read < 20, `${read} manifests`);
});
