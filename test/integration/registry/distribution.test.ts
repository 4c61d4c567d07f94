/** The clauses of distribution-spec v1.1 (and its dev branch) that implementations get wrong, one test each, over real HTTP. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Client, client, descriptor, digestOf, imageType, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';

let server: Server;
let registry: Client;

before(async () => {
  server = await startServer();
  registry = client(server);
});
after(() => server.discard());

const put = (path: string, body: Uint8Array, type = imageType) =>
  registry.request('PUT', path, { body, headers: { 'content-type': type } });
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
/** Without what belongs to the connection rather than to the answer. */
const comparable = (headers: Headers) => [...headers].filter(([name]) => !/^(date|connection|keep-alive)$/.test(name));
const emptyIndex = (more: object = {}) => json({ schemaVersion: 2, mediaType: indexType, manifests: [], ...more });
async function begin(repository: string): Promise<string> {
  const begun = await registry.request('POST', `/v2/${repository}/blobs/uploads/`);
  assert.equal(begun.status, 202);
  return begun.headers.get('location') ?? '';
}

describe('manifests', () => {
  test('come back byte for byte under the exact media type, with the same headers on HEAD', async () => {
    const { bytes, digest } = await registry.pushImage('exact', 'v1', { unknown: { field: [1] } });
    const got = await registry.request('GET', '/v2/exact/manifests/v1', { headers: { 'accept-encoding': 'gzip' } });
    assert.deepEqual(got.body, bytes);
    assert.equal(got.headers.get('content-type'), imageType);
    assert.equal(got.headers.get('docker-content-digest'), digest);
    assert.equal(got.headers.get('content-encoding'), null);
    const head = await registry.request('HEAD', '/v2/exact/manifests/v1');
    assert.deepEqual(comparable(head.headers), comparable(got.headers));
    assert.equal(head.body.length, 0);
  });

  test('of 3.9 MiB are taken; past the limit they are 413, whether the length was announced or not', async () => {
    const padded = (bytes: number) => emptyIndex({ annotations: { padding: 'x'.repeat(bytes) } });
    assert.equal((await put('/v2/large/manifests/big', padded(3.9 * 1024 * 1024), indexType)).status, 201);
    const tooLarge = padded(8 * 1024 * 1024);
    assert.equal((await put('/v2/large/manifests/huge', tooLarge, indexType)).status, 413);
    const chunked = await registry.request('PUT', '/v2/large/manifests/huge', {
      body: new Blob([tooLarge]).stream(),
      headers: { 'content-type': indexType },
    });
    assert.deepEqual([chunked.status, chunked.error], [413, 'SIZE_INVALID']);
    assert.equal((await registry.request('GET', '/v2/large/manifests/huge')).status, 404);
  });

  test('are stored under a digest only if it is theirs; a malformed digest is no tag', async () => {
    const body = emptyIndex();
    const wrong = await put(`/v2/wrong/manifests/sha256:${'0'.repeat(64)}`, body, indexType);
    assert.deepEqual([wrong.status, wrong.error], [400, 'DIGEST_INVALID']);
    const malformed = await put('/v2/wrong/manifests/sha256:baddigest', body, indexType);
    assert.deepEqual([malformed.status, malformed.error], [400, 'DIGEST_INVALID']);
    assert.equal((await registry.request('GET', `/v2/wrong/manifests/${digestOf(body)}`)).status, 404);
  });

  test('by digest take several tags at once, in sha256 and sha512', async () => {
    for (const algorithm of ['sha256', 'sha512']) {
      const body = emptyIndex({ annotations: { algorithm } });
      const digest = digestOf(body, algorithm);
      const done = await put(`/v2/tagged/manifests/${digest}?tag=${algorithm}-a&tag=${algorithm}-b`, body, indexType);
      assert.equal(done.status, 201);
      assert.equal(done.headers.get('docker-content-digest'), digest);
      assert.equal(done.headers.get('oci-tag'), `${algorithm}-a, ${algorithm}-b`);
      const got = await registry.request('GET', `/v2/tagged/manifests/${algorithm}-b`);
      assert.equal(got.headers.get('docker-content-digest'), digest);
    }
  });

  test('may lack their subject, be an empty, nested or sparse index, have no layers, or foreign layers', async () => {
    const missing = { mediaType: imageType, digest: `sha256:${'1'.repeat(64)}`, size: 7 };
    const withSubject = emptyIndex({ subject: missing });
    const done = await put('/v2/odd/manifests/subject', withSubject, indexType);
    assert.deepEqual([done.status, done.headers.get('oci-subject')], [201, missing.digest]);
    const inner = emptyIndex();
    assert.equal((await put('/v2/odd/manifests/inner', inner, indexType)).status, 201);
    const nested = emptyIndex({ manifests: [descriptor(inner, indexType)] });
    assert.equal((await put('/v2/odd/manifests/nested', nested, indexType)).status, 201);
    assert.equal((await put('/v2/odd/manifests/sparse', emptyIndex({ manifests: [missing] }), indexType)).status, 201);
    await registry.pushImage('odd', 'bare', { layers: [] });
    const foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
    await registry.pushImage('odd', 'foreign', { layers: [{ ...missing, mediaType: foreign }] });
  });

  test('with a tag deleted live on; with their digest deleted they and their tags are gone at once', async () => {
    const { digest } = await registry.pushImage('gone', 'a');
    assert.equal(
      (await put('/v2/gone/manifests/b', (await registry.request('GET', '/v2/gone/manifests/a')).body)).status,
      201,
    );
    assert.equal((await registry.request('DELETE', '/v2/gone/manifests/a')).status, 202);
    assert.equal((await registry.request('HEAD', '/v2/gone/manifests/a')).status, 404);
    assert.equal((await registry.request('HEAD', `/v2/gone/manifests/${digest}`)).status, 200);
    assert.equal((await registry.request('DELETE', `/v2/gone/manifests/${digest}`)).status, 202);
    assert.equal((await registry.request('HEAD', '/v2/gone/manifests/b')).status, 404);
    assert.equal((await registry.request('DELETE', `/v2/gone/manifests/${digest}`)).error, 'MANIFEST_UNKNOWN');
  });

  test('can be pushed on a condition, and exactly one of two racing creators wins', async () => {
    const racers = ['x', 'y', 'z'].map((who) =>
      registry.request('PUT', '/v2/race/manifests/once', {
        body: emptyIndex({ annotations: { who } }),
        headers: { 'content-type': indexType, 'if-none-match': '*' },
      }),
    );
    const statuses = (await Promise.all(racers)).map((answer) => answer.status).sort();
    assert.deepEqual(statuses, [201, 412, 412]);
    const etag = (await registry.request('HEAD', '/v2/race/manifests/once')).headers.get('etag') ?? '';
    const moved = (expected: string, who: string) =>
      registry.request('PUT', '/v2/race/manifests/once', {
        body: emptyIndex({ annotations: { who } }),
        headers: { 'content-type': indexType, 'if-match': expected },
      });
    assert.equal((await moved(`"sha256:${'0'.repeat(64)}"`, 'p')).status, 412);
    assert.equal((await moved(etag, 'q')).status, 201);
    assert.equal((await moved(etag, 'r')).status, 412);
  });

  test('whose Content-Type and mediaType differ, or that are an image and an index at once, are refused', async () => {
    for (const body of [emptyIndex(), json({ schemaVersion: 2, mediaType: imageType, layers: [], manifests: [] })]) {
      const answer = await put('/v2/two-faced/manifests/x', body, imageType);
      assert.deepEqual([answer.status, answer.error], [400, 'MANIFEST_INVALID']);
    }
  });
});

describe('blobs', () => {
  const bytes = randomBytes(1000);
  let digest: string;
  before(async () => {
    digest = await registry.pushBlob('blobs/uploads', bytes);
  });
  const get = (headers: Record<string, string> = {}, method = 'GET') =>
    registry.request(method, `/v2/blobs/uploads/blobs/${digest}`, { headers });

  test('honour Range and If-None-Match', async () => {
    const ranges: readonly [string, number, string][] = [
      ['bytes=-500', 206, 'bytes 500-999/1000'],
      ['bytes=990-5000', 206, 'bytes 990-999/1000'],
      ['bytes=0-0', 206, 'bytes 0-0/1000'],
      ['bytes=500-0', 416, 'bytes */1000'],
      ['bytes=1000-', 416, 'bytes */1000'],
    ];
    for (const [range, status, contentRange] of ranges) {
      const answer = await get({ range });
      assert.deepEqual([range, answer.status, answer.headers.get('content-range')], [range, status, contentRange]);
    }
    assert.deepEqual((await get({ range: 'bytes=-500' })).body, bytes.subarray(500));
    const etag = (await get()).headers.get('etag') ?? '';
    assert.equal((await get({ 'if-none-match': etag })).status, 304);
    assert.equal((await get({ 'if-none-match': etag }, 'HEAD')).status, 304);
    assert.equal((await get({ 'if-none-match': '"other"' })).status, 200);
  });

  test('have the exact headers of GET on HEAD', async () => {
    assert.deepEqual(comparable((await get({}, 'HEAD')).headers), comparable((await get()).headers));
  });

  test('can be empty, and be named in sha512 only at the end', async () => {
    const empty = await registry.pushBlob('empty', Buffer.alloc(0));
    const got = await registry.request('GET', `/v2/empty/blobs/${empty}`);
    assert.deepEqual([got.status, got.headers.get('content-length')], [200, '0']);
    const long = await registry.pushBlob('empty', Buffer.from('sha512'), 'sha512');
    const head = await registry.request('HEAD', `/v2/empty/blobs/${long}`);
    assert.deepEqual([head.status, head.headers.get('docker-content-digest')], [200, long]);
  });

  test('are mounted from a repository one may read, or begin an upload', async () => {
    const mount = (query: string) => registry.request('POST', `/v2/mounted/blobs/uploads/?mount=${query}`);
    const whole = await mount(`${digest}&from=blobs/uploads`);
    assert.deepEqual([whole.status, whole.headers.get('docker-content-digest')], [201, digest]);
    assert.equal((await registry.request('GET', `/v2/mounted/blobs/${digest}`)).status, 200);
    assert.equal((await mount(`${digest}&from=nowhere`)).status, 202);
    assert.equal((await mount(`sha256:${'2'.repeat(64)}`)).status, 202);
    assert.equal((await registry.request('POST', `/v2/other/blobs/uploads/?mount=${digest}`)).status, 201);
  });

  test('are mounted with a token too: one that covers the target alone is challenged for the source as well', async () => {
    const token = async (...scopes: string[]) => {
      const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&');
      const answer = await registry.request('GET', `/token?service=ne-registry&${query}`);
      return `Bearer ${(answer.json() as { token: string }).token}`;
    };
    const targets = [
      ['tokened/named', '&from=blobs/uploads'],
      ['tokened/unnamed', ''],
    ];
    for (const [target, from] of targets) {
      const path = `/v2/${target}/blobs/uploads/?mount=${digest}${from}`;
      const alone = `repository:${target}:pull,push`;
      const narrow = await registry.request('POST', path, { authorization: await token(alone) });
      assert.equal(narrow.status, 401);
      const challenge = narrow.headers.get('www-authenticate') ?? '';
      assert.match(challenge, /error="insufficient_scope"/);
      const scope = /scope="([^"]+)"/.exec(challenge)?.[1] ?? '';
      assert.equal(scope, `${alone} repository:blobs/uploads:pull`);
      const wide = await registry.request('POST', path, { authorization: await token(...scope.split(' ')) });
      assert.equal(wide.status, 201);
    }
  });

  test('deleted in one repository are gone there at once, and stay in the others', async () => {
    const shared = await registry.pushBlob('here', randomBytes(10));
    await registry.request('POST', `/v2/there/blobs/uploads/?mount=${shared}&from=here`);
    assert.equal((await registry.request('DELETE', `/v2/here/blobs/${shared}`)).status, 202);
    assert.equal((await registry.request('HEAD', `/v2/here/blobs/${shared}`)).status, 404);
    assert.equal((await registry.request('GET', `/v2/there/blobs/${shared}`)).status, 200);
  });

  test('that a manifest needs are not deleted from under it', async () => {
    const { layer } = await registry.pushImage('needed', 'v1');
    assert.equal((await registry.request('DELETE', `/v2/needed/blobs/${layer}`)).status, 405);
    assert.equal((await registry.request('GET', `/v2/needed/blobs/${layer}`)).status, 200);
  });
});

describe('uploads', () => {
  test('take chunks in order; out of order is 416 on PATCH and on PUT, and GET says where to go on', async () => {
    const whole = randomBytes(30);
    const location = await begin('chunks');
    const chunk = (method: string, range: string, part: Uint8Array, query = '') =>
      registry.request(method, location + query, { body: part, headers: { 'content-range': range } });
    const first = await chunk('PATCH', '0-9', whole.subarray(0, 10));
    assert.deepEqual([first.status, first.headers.get('range')], [202, '0-9']);
    const query = `?digest=${digestOf(whole)}`;
    assert.equal((await chunk('PATCH', '20-29', whole.subarray(20))).status, 416);
    assert.equal((await chunk('PUT', '20-29', whole.subarray(20), query)).status, 416);
    const progress = await registry.request('GET', location);
    assert.deepEqual([progress.status, progress.headers.get('range')], [204, '0-9']);
    assert.ok(progress.headers.get('location'));
    assert.equal((await chunk('PATCH', '10-19', whole.subarray(10, 20))).status, 202);
    assert.equal((await chunk('PUT', '20-29', whole.subarray(20), query)).status, 201);
    const got = await registry.request('GET', `/v2/chunks/blobs/${digestOf(whole)}`);
    assert.deepEqual(got.body, whole);
  });

  test('with a wrong digest are 400 in every flow and leave no trace', async () => {
    const wrong = `sha256:${'3'.repeat(64)}`;
    const body = randomBytes(20);
    const single = await registry.request('POST', `/v2/trace/blobs/uploads/?digest=${wrong}`, { body });
    const monolithic = await registry.request('PUT', `${await begin('trace')}?digest=${wrong}`, { body });
    const location = await begin('trace');
    await registry.request('PATCH', location, { body });
    const streamed = await registry.request('PUT', `${location}?digest=${wrong}`);
    for (const answer of [single, monolithic, streamed]) {
      assert.deepEqual([answer.status, answer.error], [400, 'DIGEST_INVALID']);
    }
    assert.equal((await registry.request('GET', location)).status, 404);
    assert.equal((await registry.request('HEAD', `/v2/trace/blobs/${digestOf(body)}`)).status, 404);
  });

  test('can be pushed in one POST and cancelled', async () => {
    const body = randomBytes(20);
    const digest = digestOf(body);
    const done = await registry.request('POST', `/v2/single/blobs/uploads/?digest=${digest}`, { body });
    assert.equal(done.status, 201);
    assert.deepEqual((await registry.request('GET', done.headers.get('location') ?? '')).body, body);
    const location = await begin('single');
    assert.equal((await registry.request('DELETE', location)).status, 204);
    assert.equal((await registry.request('PATCH', location, { body })).error, 'BLOB_UPLOAD_UNKNOWN');
  });

  test('belong to a repository', async () => {
    const location = await begin('mine');
    const elsewhere = location.replace('/v2/mine/', '/v2/yours/');
    assert.equal((await registry.request('PATCH', elsewhere, { body: 'x' })).status, 404);
  });
});

describe('lists', () => {
  test('of tags are in ASCII order, paged by n and last, with Link only where there is more', async () => {
    for (const tag of ['b', 'A', 'a', 'c', '_', '1'])
      assert.equal((await put(`/v2/many/manifests/${tag}`, emptyIndex(), indexType)).status, 201);
    const list = async (query: string) => {
      const answer = await registry.request('GET', `/v2/many/tags/list${query}`);
      return { tags: (answer.json() as { tags: string[] }).tags, link: answer.headers.get('link') };
    };
    assert.deepEqual(await list(''), { tags: ['1', 'A', '_', 'a', 'b', 'c'], link: null });
    const page = await list('?n=2&last=A');
    assert.deepEqual(page.tags, ['_', 'a']);
    assert.match(page.link ?? '', /^<\/v2\/many\/tags\/list\?.*>; rel="next"$/);
    assert.deepEqual((await list('?last=Z')).tags, ['_', 'a', 'b', 'c']);
    assert.deepEqual(await list('?n=0'), { tags: [], link: null });
    assert.deepEqual((await list('?n=6')).link, null);
    assert.equal((await registry.request('GET', '/v2/many/tags/list?n=99999999999')).status, 200);
    assert.equal((await registry.request('GET', '/v2/many/tags/list?n=-1')).status, 400);
  });

  test('of referrers are an index, empty for what is unknown, filtered on request', async () => {
    const { digest, bytes } = await registry.pushImage('signed', 'v1');
    const subject = { mediaType: imageType, digest, size: bytes.length };
    const signature = await registry.pushImage('signed', 'sig', {
      artifactType: 'application/vnd.example.signature',
      subject,
      annotations: { by: 'us' },
    });
    const sbom = emptyIndex({ artifactType: 'application/vnd.example.sbom', subject });
    assert.equal((await put(`/v2/signed/manifests/${digestOf(sbom)}`, sbom, indexType)).status, 201);
    const list = async (query = '', of = digest) => registry.request('GET', `/v2/signed/referrers/${of}${query}`);
    const all = await list();
    assert.equal(all.headers.get('content-type'), indexType);
    assert.equal(all.headers.get('oci-filters-applied'), null);
    const entries = (all.json() as { manifests: { digest: string; artifactType: string; annotations?: object }[] })
      .manifests;
    assert.deepEqual(new Set(entries.map((entry) => entry.digest)), new Set([signature.digest, digestOf(sbom)]));
    const filtered = await list('?artifactType=application/vnd.example.signature');
    assert.equal(filtered.headers.get('oci-filters-applied'), 'artifactType');
    assert.deepEqual(
      (filtered.json() as { manifests: object[] }).manifests.map((entry) => ({ ...entry })),
      [
        {
          mediaType: imageType,
          digest: signature.digest,
          size: signature.bytes.length,
          artifactType: 'application/vnd.example.signature',
          annotations: { by: 'us' },
        },
      ],
    );
    const unknown = await registry.request('GET', `/v2/never/seen/referrers/sha256:${'4'.repeat(64)}`);
    assert.deepEqual([unknown.status, (unknown.json() as { manifests: object[] }).manifests], [200, []]);
    assert.equal((await list('', 'sha256:bad')).status, 400);
  });

  test('of repositories are paged', async () => {
    const all = (await registry.request('GET', '/v2/_catalog')).json() as { repositories: string[] };
    assert.deepEqual(all.repositories, [...all.repositories].sort());
    assert.ok(all.repositories.includes('many') && all.repositories.includes('signed'));
    const first = await registry.request('GET', '/v2/_catalog?n=1');
    const next = /<([^>]+)>/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = (await registry.request('GET', next)).json() as { repositories: string[] };
    assert.deepEqual(second.repositories, all.repositories.slice(1, 2));
    assert.equal((await registry.request('GET', '/v2/_catalog?n=2147483648')).status, 200);
  });
});

describe('strangers', () => {
  test('are challenged everywhere, and told nothing of what exists', async () => {
    await registry.pushImage('secret', 'v1');
    for (const path of ['/v2/', '/v2/_catalog', '/v2/secret/manifests/v1', '/v2/nothing/manifests/v1']) {
      const answer = await registry.request('GET', path, { authorization: null });
      assert.deepEqual([path, answer.status, answer.error], [path, 401, 'UNAUTHORIZED']);
      assert.match(
        answer.headers.get('www-authenticate') ?? '',
        /^Bearer realm="http:\/\/127\.0\.0\.1:\d+\/token",service=/,
      );
    }
  });

  test('get an error body for every wrong path and method', async () => {
    const cases: readonly [string, string, number][] = [
      ['GET', '/v2/a/nothing', 404],
      ['POST', '/v2/a/manifests/x', 405],
      ['GET', '/v2/a%2Fb/tags/list', 400],
      ['PUT', '/v2/_catalog', 405],
    ];
    for (const [method, path, status] of cases) {
      const answer = await registry.request(method, path);
      assert.deepEqual([path, answer.status], [path, status]);
      assert.ok(answer.error, `${path} has an error code`);
    }
  });
});
