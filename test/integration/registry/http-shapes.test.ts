/** HTTP as few clients write it: what RFC 9110 and 9112 demand is understood, what smuggles requests is refused. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { client, digestOf } from './client.ts';
import { type Server, startServer } from './server.ts';
import { head, wire } from './wire.ts';

let server: Server;
before(async () => {
  server = await startServer();
});
after(() => server.discard());

async function exchange(text: string, answer: RegExp): Promise<string> {
  const line = await wire(server);
  try {
    line.send(text);
    return await line.until(answer);
  } finally {
    line.destroy();
  }
}

describe('a request target in absolute form (RFC 9112 §3.2.2)', () => {
  test('is understood, and its host counts, whatever Host says', async () => {
    const found = await exchange(head(server, 'GET http://other.example:81/v2/'), /\r\n\r\n\{\}/);
    assert.match(found, /^HTTP\/1.1 200 /);
    const challenged = await exchange(
      `GET http://other.example:81/v2/ HTTP/1.1\r\nHost: ${server.host}\r\n\r\n`,
      /\r\n\r\n.*errors/,
    );
    assert.match(challenged, /^HTTP\/1.1 401 .*realm="http:\/\/other\.example:81\/token"/s);
  });

  test('reaches everything else too, and is no way around the grammar of names', async () => {
    assert.match(await exchange(head(server, 'GET http://x/healthz'), /^HTTP.*\r\n\r\n/s), /^HTTP\/1.1 200 /);
    const odd = await exchange(head(server, 'GET http://x/v2/../admin/tags/list'), /errors/);
    assert.match(odd, /^HTTP\/1.1 400 .*NAME_INVALID/s);
    assert.match(await exchange(head(server, 'GET http://user@x/v2/'), /\{\}/), /^HTTP\/1.1 200 /);
  });
});

describe('Expect: 100-continue', () => {
  const push = (path: string, ...more: string[]) =>
    head(server, `PUT ${path}`, 'Expect: 100-continue', 'Content-Length: 100000000', ...more);

  test('of a push that is refused gets the final status, no "continue", and the end of the connection', async () => {
    const unsigned = push('/v2/a/manifests/x').replace(/Authorization: .*\r\n/, '');
    for (const [text, status] of [
      [unsigned, 401],
      [push('/v2/A/manifests/x'), 400],
      [push('/v2/a/manifests/x'), 413],
      [push('/v2/a/blobs/uploads/123e4567-e89b-42d3-a456-426614174000?digest=sha256:x'), 404],
    ] as const) {
      const line = await wire(server);
      line.send(text);
      const answer = await line.ended();
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(answer, /\r\nconnection: close\r\n/i);
      assert.doesNotMatch(answer, /100 Continue/);
    }
  });

  test('of a push that is taken gets "continue" and then 201, on a connection that stays', async () => {
    const begun = await client(server).request('POST', '/v2/expecting/blobs/uploads/');
    const body = Buffer.from('a body that was asked for');
    const path = `${begun.headers.get('location')}?digest=${digestOf(body)}`;
    const line = await wire(server);
    line.send(head(server, `PUT ${path}`, 'Expect: 100-continue', `Content-Length: ${body.length}`));
    await line.until(/^HTTP\/1.1 100 Continue\r\n\r\n/);
    line.send(body);
    await line.until(/HTTP\/1.1 201 /);
    line.send(head(server, 'GET /v2/'));
    await line.until(/HTTP\/1.1 200 /);
    line.destroy();
  });
});

describe('requests that two servers would read differently', () => {
  const post = 'POST /v2/a/blobs/uploads/';
  const shapes: readonly [string, () => string][] = [
    [
      'both Content-Length and Transfer-Encoding',
      () => head(server, post, 'Content-Length: 5', 'Transfer-Encoding: chunked'),
    ],
    ['two lengths', () => head(server, post, 'Content-Length: 5', 'Content-Length: 6')],
    ['a length with a sign', () => head(server, post, 'Content-Length: +5')],
    ['a list of lengths', () => head(server, post, 'Content-Length: 5, 5')],
    ['chunked not being the last coding', () => head(server, post, 'Transfer-Encoding: chunked, identity')],
    ['an unknown coding', () => head(server, post, 'Transfer-Encoding: xchunked')],
    ['a folded line', () => head(server, post, 'X-Folded: a\r\n b', 'Content-Length: 0')],
    ['a space before the colon', () => head(server, post, 'Content-Length : 5')],
    ['lines that end with LF alone', () => head(server, post, 'Content-Length: 0').replaceAll('\r\n', '\n')],
    ['a bare CR in a line', () => head(server, post, 'X-A: a\rContent-Length: 5')],
    ['NUL in a line', () => head(server, post, 'X-A: a\0b')],
    ['no Host', () => `GET /v2/ HTTP/1.1\r\n\r\n`],
    [
      'a chunk length that is no number',
      () => `${head(server, post, 'Transfer-Encoding: chunked')}0x5\r\nhello\r\n0\r\n\r\n`,
    ],
    [
      'a chunk length past all bounds',
      () => `${head(server, post, 'Transfer-Encoding: chunked')}fffffffffffffffff\r\n`,
    ],
  ];
  for (const [what, text] of shapes) {
    test(`are refused, and what follows is not taken for a request: ${what}`, async () => {
      const line = await wire(server);
      line.send(`${text()}GET /v2/ HTTP/1.1\r\nHost: smuggled\r\nAuthorization: ${server.authorization}\r\n\r\n`);
      const answer = await line.ended();
      assert.match(answer, /^HTTP\/1.1 400 /m);
      assert.doesNotMatch(answer, /HTTP\/1.1 200 /);
    });
  }
});
