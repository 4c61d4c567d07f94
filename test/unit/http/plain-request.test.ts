import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { plainHeaders, plainRequestLine } from '../../../src/registry/http/plain-request.ts';

const block = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;

describe('a plain request line', () => {
  test('is a GET or HEAD of a path', () => {
    assert.deepEqual(plainRequestLine('GET /v2/a/manifests/b HTTP/1.1'), { method: 'GET', path: '/v2/a/manifests/b' });
    assert.deepEqual(plainRequestLine('HEAD /v2/ HTTP/1.1'), { method: 'HEAD', path: '/v2/' });
  });

  for (const line of [
    'PUT /v2/ HTTP/1.1',
    'GET /v2/ HTTP/1.0',
    'GET /v2/',
    'get /v2/ HTTP/1.1',
    'GET  /v2/ HTTP/1.1',
    'GET /v2/ /x HTTP/1.1',
    'GET /v2/\tHTTP/1.1',
    'GET http://host/v2/ HTTP/1.1',
    'GET /v2/?n=1 HTTP/1.1',
    'GET /v2/#x HTTP/1.1',
    ' GET /v2/ HTTP/1.1',
    'GET /v2/ HTTP/1.1 ',
    'GET /v2/\nx HTTP/1.1',
  ]) {
    test(`is not ${JSON.stringify(line)}`, () => assert.equal(plainRequestLine(line), undefined));
  }
});

describe('plain header fields', () => {
  test('are names in lower case and values without the spaces around them', () => {
    const headers = plainHeaders(block('Host: a:5000', 'Accept: */*', 'Connection:Keep-Alive', 'X-Empty:', 'B:  c \t'));
    const expected = { host: 'a:5000', accept: '*/*', connection: 'Keep-Alive', 'x-empty': '', b: 'c' };
    assert.deepEqual({ ...headers }, expected);
  });

  for (const [what, text] of Object.entries({
    'without a host': block('Accept: */*'),
    'with two hosts': block('Host: a', 'Host: a'),
    'with a field twice': block('Host: a', 'Accept: a', 'accept: b'),
    'with a body of a length': block('Host: a', 'Content-Length: 0'),
    'with a body of chunks': block('Host: a', 'Transfer-Encoding: chunked'),
    'with a colon apart from its name': block('Host: a', 'Content-Length : 5'),
    'with a folded line': block('Host: a', ' b'),
    'with a control character': block('Host: a', 'B: \x01'),
    'with a bare line feed': block('Host: a\nContent-Length: 5'),
    'with a bare carriage return': block('Host: a\rContent-Length: 5'),
    'with a line that is no field': block('Host: a', 'b'),
    'with an empty name': block('Host: a', ': b'),
    'with a second request behind it': `${block('Host: a')}${block('GET / HTTP/1.1', 'Host: a')}`,
    'that end too early': 'Host: a\r\n',
    'that are none': '\r\n',
    'that end the connection': block('Host: a', 'Connection: close'),
    'that name what is for this hop only': block('Host: a', 'Connection: keep-alive, x'),
    'that expect something': block('Host: a', 'Expect: 100-continue'),
    'that want another protocol': block('Host: a', 'Upgrade: h2c'),
    'with a condition': block('Host: a', 'If-None-Match: "x"'),
    'with a range': block('Host: a', 'Range: bytes=0-1'),
  })) {
    test(`are not those ${what}`, () => assert.equal(plainHeaders(text), undefined));
  }

  test('keep octets that are spaces elsewhere', () => {
    assert.equal(plainHeaders(block('Host: a', 'B: \t c\xa0 '))?.b, 'c\xa0');
  });

  test('cost what their length says, also where a line of spaces ends badly', () => {
    const millis = (spaces: number) => {
      const text = block('Host: a', `B:${' '.repeat(spaces)}\x01`);
      const once = () => {
        const began = performance.now();
        for (let count = 0; count < 20; count++) plainHeaders(text);
        return performance.now() - began;
      };
      // The quickest: while the others ran, the machine may have done something else.
      return Math.min(...Array.from({ length: 5 }, once));
    };
    millis(1000);
    // 32 times the length: some 32 times the time where it is linear, a thousand times where it is not.
    assert.ok(millis(32_000) < 200 * millis(1000) + 50);
  });

  test('hold no names of the object that carries them', () => {
    assert.equal(plainHeaders(block('Host: a', '__proto__: x'))?.toString, undefined);
  });
});
