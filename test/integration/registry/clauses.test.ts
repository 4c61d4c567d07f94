/** Clauses of distribution-spec and RFC 9110 that no conformance suite looks at. `docs/conformance.md` says which is where. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Client, client, descriptor, digestOf, imageType, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';
import { head, wire } from './wire.ts';

let server: Server;
let registry: Client;
before(async () => {
  server = await startServer();
  registry = client(server);
});
after(() => server.discard());

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const emptyIndex = (more: object = {}) => json({ schemaVersion: 2, mediaType: indexType, manifests: [], ...more });
const put = (path: string, body: Uint8Array, type = indexType) =>
  registry.request('PUT', path, { body, headers: { 'content-type': type } });
/** Without what belongs to the connection rather than to the answer. */
const comparable = (headers: Headers) => [...headers].filter(([name]) => !/^(date|connection|keep-alive)$/.test(name));

describe('names', () => {
  const names = [
    'manifests',
    'blobs/uploads',
    'tags/list',
    'referrers',
    'a/manifests/b',
    'x/blobs/uploads/y',
    'blobs',
    'v2',
    '_catalog'.slice(1),
  ];
  for (const name of names) {
    test(`${name} is a repository like any other: push, pull, list, mount, delete`, async () => {
      const { digest, bytes, layer } = await registry.pushImage(name, 'manifests');
      assert.deepEqual((await registry.request('GET', `/v2/${name}/manifests/manifests`)).body, bytes);
      assert.equal((await registry.request('HEAD', `/v2/${name}/blobs/${layer}`)).status, 200);
      const tags = (await registry.request('GET', `/v2/${name}/tags/list`)).json();
      assert.deepEqual(tags, { name, tags: ['manifests'] });
      assert.equal((await registry.request('GET', `/v2/${name}/referrers/${digest}`)).status, 200);
      const mount = await registry.request('POST', `/v2/${name}/z/blobs/uploads/?mount=${layer}&from=${name}`);
      assert.equal(mount.status, 201);
      assert.equal((await registry.request('DELETE', `/v2/${name}/manifests/${digest}`)).status, 202);
    });
  }

  test('are decoded nowhere, digests and tags once', async () => {
    const { digest } = await registry.pushImage('once/app', 'v1.0');
    const escaped = digest.replace(':', '%3A');
    assert.equal((await registry.request('GET', `/v2/once/app/manifests/${escaped}`)).status, 200);
    assert.equal((await registry.request('GET', '/v2/once/app/manifests/v1%2E0')).status, 200);
    for (const path of [
      `/v2/once/app/manifests/${digest.replace(':', '%253A')}`,
      '/v2/once/app/manifests/v1%252E0',
      '/v2/once%2Fapp/manifests/v1.0',
      '/v2/onc%65/app/manifests/v1.0',
      '/v2/once/app/manifests/%2e%2e',
      '/v2/once/app/manifests/x%00',
      '/v2/once/app/manifests/%ff',
      '/v2/once/app/blobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    ]) {
      const line = await wire(server);
      // As it stands: a client library would tidy it up.
      line.send(head(server, `GET ${path}`));
      assert.match(await line.until(/"errors"/), /^HTTP\/1.1 400 /, path);
      line.destroy();
    }
  });
});

describe('HEAD', () => {
  test('has the exact headers of GET: manifests by tag and digest, images and indexes, blobs, the empty one, /v2/', async () => {
    const { digest, layer } = await registry.pushImage('head', 'v1');
    await put('/v2/head/manifests/index', emptyIndex());
    const empty = await registry.pushBlob('head', Buffer.alloc(0));
    for (const path of ['manifests/v1', `manifests/${digest}`, 'manifests/index', `blobs/${layer}`, `blobs/${empty}`]) {
      const got = await registry.request('GET', `/v2/head/${path}`);
      const headed = await registry.request('HEAD', `/v2/head/${path}`);
      assert.deepEqual([headed.status, headed.body.length], [200, 0]);
      assert.deepEqual(comparable(headed.headers), comparable(got.headers), path);
      assert.equal(headed.headers.get('content-length'), String(got.body.length));
      assert.ok(headed.headers.get('docker-content-digest'));
    }
    assert.equal((await registry.request('HEAD', '/v2/')).status, 200);
  });

  test('ignores Range (RFC 9110 §14.2)', async () => {
    const blob = await registry.pushBlob('head', randomBytes(100));
    const headed = await registry.request('HEAD', `/v2/head/blobs/${blob}`, { headers: { range: 'bytes=0-9' } });
    assert.deepEqual([headed.status, headed.headers.get('content-length')], [200, '100']);
  });

  test('of what is not there is 404 as GET is, without a body', async () => {
    const missing = `sha256:${'0'.repeat(64)}`;
    for (const path of ['manifests/none', `manifests/${missing}`, `blobs/${missing}`]) {
      const headed = await registry.request('HEAD', `/v2/head/${path}`);
      assert.deepEqual([headed.status, headed.body.length], [404, 0]);
    }
  });

  test('links nothing: a digest that another repository has is 404 before and after', async () => {
    const digest = await registry.pushBlob('owner', randomBytes(10));
    for (let turn = 0; turn < 2; turn++) {
      assert.equal((await registry.request('HEAD', `/v2/stranger/blobs/${digest}`)).status, 404);
      assert.equal((await registry.request('GET', `/v2/stranger/blobs/${digest}`)).status, 404);
    }
  });
});

describe('conditions', () => {
  test('If-None-Match gives 304 on GET and HEAD, for one of several tags, weak ones, and *; others give 200', async () => {
    const { digest, layer } = await registry.pushImage('conditions', 'v1');
    for (const [path, tag] of [
      ['manifests/v1', digest],
      [`manifests/${digest}`, digest],
      [`blobs/${layer}`, layer],
    ] as const) {
      for (const method of ['GET', 'HEAD']) {
        const ask = (match: string) =>
          registry.request(method, `/v2/conditions/${path}`, { headers: { 'if-none-match': match } });
        for (const match of [`"${tag}"`, `W/"${tag}"`, `"x", "${tag}"`, '*']) {
          const { status, body, headers } = await ask(match);
          assert.deepEqual([match, status, body.length], [match, 304, 0]);
          assert.equal(headers.get('etag'), `"${tag}"`);
        }
        assert.equal((await ask('"x"')).status, 200);
        assert.equal((await ask(tag)).status, 200, 'without quotes it is no entity tag');
      }
    }
  });

  test('If-Range with another tag, or a date, sends the whole', async () => {
    const blob = await registry.pushBlob('conditions', randomBytes(50));
    const ask = async (ifRange: string) =>
      (
        await registry.request('GET', `/v2/conditions/blobs/${blob}`, {
          headers: { range: 'bytes=0-9', 'if-range': ifRange },
        })
      ).status;
    assert.equal(await ask(`"${blob}"`), 206);
    assert.equal(await ask('"x"'), 200);
    assert.equal(await ask(new Date().toUTCString()), 200);
  });
});

describe('Accept', () => {
  test('changes nothing: an index is never turned into an image, nor anything refused', async () => {
    const index = emptyIndex();
    await put('/v2/accept/manifests/index', index);
    const { bytes } = await registry.pushImage('accept', 'image');
    for (const accept of [
      imageType,
      indexType,
      'application/vnd.docker.distribution.manifest.v1+json',
      'text/html',
      '*/*',
      'nonsense',
    ]) {
      const asIndex = await registry.request('GET', '/v2/accept/manifests/index', { headers: { accept } });
      assert.deepEqual([asIndex.status, asIndex.headers.get('content-type')], [200, indexType]);
      assert.deepEqual(asIndex.body, index);
      const asImage = await registry.request('GET', '/v2/accept/manifests/image', { headers: { accept } });
      assert.deepEqual([asImage.headers.get('content-type'), asImage.body], [imageType, bytes]);
    }
  });

  test('and Content-Type: parameters are ignored when pushed, and not answered', async () => {
    assert.equal((await put('/v2/accept/manifests/params', emptyIndex(), `${indexType}; charset=utf-8`)).status, 201);
    const got = await registry.request('GET', '/v2/accept/manifests/params');
    assert.equal(got.headers.get('content-type'), indexType);
  });

  test('with an encoding: nothing is ever compressed', async () => {
    const { layer } = await registry.pushImage('accept', 'encoded');
    for (const path of ['manifests/encoded', `blobs/${layer}`, 'tags/list']) {
      const { headers } = await registry.request('GET', `/v2/accept/${path}`, {
        headers: { 'accept-encoding': 'gzip, br' },
      });
      assert.equal(headers.get('content-encoding'), null);
      assert.equal(headers.get('transfer-encoding'), null);
    }
  });
});

describe('manifests', () => {
  test('with several tags take a hundred; more are 414, and none of them is there', async () => {
    const body = emptyIndex({ annotations: { many: 'tags' } });
    const tags = (count: number) => Array.from({ length: count }, (_, index) => `tag=t${index}`).join('&');
    assert.equal((await put(`/v2/many/manifests/${digestOf(body)}?${tags(101)}`, body)).status, 414);
    assert.equal((await registry.request('HEAD', '/v2/many/manifests/t0')).status, 404);
    const done = await put(`/v2/many/manifests/${digestOf(body)}?${tags(100)}`, body);
    assert.deepEqual([done.status, done.headers.get('oci-tag')?.split(', ').length], [201, 100]);
    const wrong = await put(`/v2/many/manifests/${digestOf(body)}?tag=ok&tag=.wrong`, body);
    assert.deepEqual([wrong.status, wrong.error], [400, 'MANIFEST_INVALID']);
    assert.equal((await registry.request('HEAD', '/v2/many/manifests/ok')).status, 404);
  });

  test('whose types are megabytes long or hold control characters are refused; lists of referrers stay small', async () => {
    const subject = descriptor(emptyIndex(), indexType);
    for (const artifactType of ['x'.repeat(256), 'a\u0000b', 'a\nb']) {
      const answer = await put('/v2/types/manifests/x', emptyIndex({ artifactType, subject }));
      assert.deepEqual([answer.status, answer.error], [400, 'MANIFEST_INVALID']);
      const filter = await registry.request(
        'GET',
        `/v2/types/referrers/${subject.digest}?artifactType=${encodeURIComponent(artifactType)}`,
      );
      assert.equal(filter.status, 400);
    }
    assert.equal(
      (await put('/v2/types/manifests/x', emptyIndex({ artifactType: 'x'.repeat(255), subject }))).status,
      201,
    );
  });

  test('with hostile JSON are 400 and change nothing', async () => {
    const bodies = [
      '{"schemaVersion":2,"manifests":[],"manifests":[]}',
      '{"schemaVersion":2,"__proto__":{"manifests":[]},"manifests":[]}',
      `{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:${'0'.repeat(64)}","size":9007199254740993}]}`,
      `{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:${'0'.repeat(64)}","size":-1}]}`,
      `{"schemaVersion":2,"manifests":[],"x":${'['.repeat(100)}${']'.repeat(100)}}`,
      `{"schemaVersion":2,"manifests":[],"fsLayers":[]}`,
      '{"schemaVersion":1,"manifests":[]}',
      '\ufeff{"schemaVersion":2,"manifests":[]}',
      '[]',
      'null',
      '',
    ].map((text) => Buffer.from(text));
    bodies.push(
      Buffer.concat([Buffer.from('{"schemaVersion":2,"manifests":[],"x":"'), Buffer.of(0xff, 0xc0), Buffer.from('"}')]),
    );
    for (const body of bodies) {
      const answer = await put('/v2/hostile/manifests/x', body);
      assert.deepEqual([answer.status, answer.error], [400, 'MANIFEST_INVALID'], body.toString().slice(0, 80));
    }
    assert.equal((await registry.request('GET', '/v2/hostile/manifests/x')).status, 404);
  });

  test('are stored as they came: white space, order of keys, escapes, unknown fields', async () => {
    const odd = Buffer.from(
      `{ "manifests" : [ ],\n\t"data":"eA==", "schemaVersion":2 , "\\u0078":[1e2,-0.0,"\\/é"]}\n`,
    );
    assert.equal((await put('/v2/odd/manifests/x', odd)).status, 201);
    assert.deepEqual((await registry.request('GET', `/v2/odd/manifests/${digestOf(odd)}`)).body, odd);
  });
});

describe('uploads', () => {
  const begin = async (query = '') =>
    (await registry.request('POST', `/v2/uploads/blobs/uploads/${query}`)).headers.get('location') ?? '';
  const streamed = (bytes: Uint8Array) => new Blob([new Uint8Array(bytes)]).stream();

  test('hold a chunk without Content-Length to its Content-Range', async () => {
    const whole = randomBytes(20);
    for (const [range, kept] of [
      ['0-4', '0-0'],
      ['0-19', '0-9'],
    ] as const) {
      const location = await begin();
      const answer = await registry.request('PATCH', location, {
        body: streamed(whole.subarray(0, 10)),
        headers: { 'content-range': range },
      });
      assert.deepEqual([range, answer.status, answer.error], [range, 400, 'SIZE_INVALID']);
      const progress = await registry.request('GET', location);
      assert.deepEqual([progress.status, progress.headers.get('range')], [204, kept]);
    }
  });

  test('where Content-Range and Content-Length disagree, or one is no range, take nothing', async () => {
    const location = await begin();
    for (const [range, code] of [
      ['0-4', 'SIZE_INVALID'],
      ['bytes', 'BLOB_UPLOAD_INVALID'],
      ['4-0', 'BLOB_UPLOAD_INVALID'],
    ] as const) {
      const answer = await registry.request('PATCH', location, {
        body: randomBytes(10),
        headers: { 'content-range': range },
      });
      assert.deepEqual([range, answer.status, answer.error], [range, 400, code]);
    }
    assert.equal((await registry.request('GET', location)).headers.get('range'), '0-0');
  });

  test('take digest-algorithm at the beginning; one that does not exist is 400', async () => {
    const bytes = randomBytes(30);
    const done = await registry.request(
      'PUT',
      `${await begin('?digest-algorithm=sha512')}?digest=${digestOf(bytes, 'sha512')}`,
      { body: bytes },
    );
    assert.deepEqual([done.status, done.headers.get('docker-content-digest')], [201, digestOf(bytes, 'sha512')]);
    const unknown = await registry.request('POST', '/v2/uploads/blobs/uploads/?digest-algorithm=md5');
    assert.deepEqual([unknown.status, unknown.error], [400, 'DIGEST_INVALID']);
  });

  test('closed without a digest, or with one of another algorithm, are 400 and can still be closed rightly', async () => {
    const location = await begin();
    const body = randomBytes(10);
    for (const query of ['', '?digest=', '?digest=md5:abc', '?digest=sha256:abc']) {
      const answer = await registry.request('PUT', location + query, { body });
      assert.deepEqual([query, answer.status, answer.error], [query, 400, 'DIGEST_INVALID']);
    }
    assert.equal((await registry.request('PUT', `${location}?digest=${digestOf(body)}`, { body })).status, 201);
  });
});
