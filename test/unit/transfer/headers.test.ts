import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../../src/transfer/http/challenge.ts';
import { nextLink } from '../../../src/transfer/http/link.ts';
import { backoffMs, defaultRetry, retryAfterMs } from '../../../src/transfer/http/retry.ts';

/** Of two goes, milliseconds: during the other the machine may have done something else. */
function quicker(work: () => void): number {
  const took = () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  };
  return Math.min(took(), took());
}

describe('a WWW-Authenticate header', () => {
  it('is read with its parameters', () => {
    const header =
      'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a/b:pull,push"';
    const [challenge] = parseChallenges(header);
    assert.equal(challenge?.scheme, 'bearer');
    assert.deepEqual(
      { ...challenge?.parameters },
      {
        realm: 'https://auth.example.com/token',
        service: 'registry.example.com',
        scope: 'repository:a/b:pull,push',
      },
    );
  });

  it('may hold several challenges, quoted commas and escapes, and token68', () => {
    const challenges = parseChallenges('Negotiate abc==, Basic realm="a, \\"b\\"" , BEARER Realm = x ,Service=y');
    assert.deepEqual(
      challenges.map(({ scheme, parameters }) => [scheme, { ...parameters }]),
      [
        ['negotiate', {}],
        ['basic', { realm: 'a, "b"' }],
        ['bearer', { realm: 'x', service: 'y' }],
      ],
    );
  });

  it('never breaks the parser, and gives back what was put in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => void parseChallenges(text)),
      { numRuns: 3000 },
    );
    const value = fc.string({ unit: 'grapheme-ascii' });
    fc.assert(
      fc.property(value, value, (realm, service) => {
        const quoted = (text: string) => `"${text.replace(/[\\"]/g, (character) => `\\${character}`)}"`;
        const [challenge] = parseChallenges(`Bearer realm=${quoted(realm)}, service=${quoted(service)}`);
        assert.deepEqual({ ...challenge?.parameters }, { realm, service });
      }),
    );
  });

  it('does not reach the prototype and takes linear time', () => {
    const [challenge] = parseChallenges('Bearer __proto__="x", realm="y"');
    assert.equal(challenge?.parameters.realm, 'y');
    assert.equal(({} as Record<string, unknown>).x, undefined);
    const units = [' ', ',', 'a', 'a=', '"', 'a ', '=', 'A,'];
    assert.ok(quicker(() => units.forEach((unit) => void parseChallenges(unit.repeat(16_000 / unit.length)))) < 1000);
  });
});

describe('a Link header', () => {
  it('names the next page', () => {
    assert.equal(nextLink('</v2/_catalog?last=b&n=2>; rel="next"'), '/v2/_catalog?last=b&n=2');
    assert.equal(nextLink('<a,b>; rel=prev, <c;d>; title="x, rel=next"; rel="last next"'), 'c;d');
    assert.equal(nextLink('<a>; rel="prev"'), undefined);
    assert.equal(nextLink('<a>; rel="nextish"'), undefined);
    assert.equal(nextLink(undefined), undefined);
  });

  it('never breaks the parser', () => {
    const parts = fc.constantFrom('<', '>', ';', ',', '"', ' ', 'rel=', 'next', 'a', '=');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(parts, { maxLength: 60 }).map((list) => list.join('')),
    );
    fc.assert(
      fc.property(text, (header) => void nextLink(header)),
      { numRuns: 3000 },
    );
    const units = ['<', ';rel=', '"', ',', '<>;', ' '];
    assert.ok(quicker(() => units.forEach((unit) => void nextLink(unit.repeat(16_000 / unit.length)))) < 1000);
  });
});

describe('waiting', () => {
  it('follows Retry-After, in seconds or as a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    assert.equal(retryAfterMs('120', now), 120_000);
    assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', now), 30_000);
    assert.equal(retryAfterMs('Wed, 31 Dec 2025 00:00:30 GMT', now), 0);
    assert.equal(retryAfterMs('soon', now), undefined);
    assert.ok(backoffMs(defaultRetry, 0, 5000) >= 5000);
  });

  it('grows to a ceiling and is spread below it', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000 }), (attempt) => {
        const wait = backoffMs(defaultRetry, attempt);
        assert.ok(wait >= 0 && wait <= defaultRetry.capMs);
      }),
    );
  });
});
