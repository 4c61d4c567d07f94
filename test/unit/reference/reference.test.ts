import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatReference,
  InvalidReference,
  isHost,
  isRepositoryName,
  isTag,
  parseReference,
} from '../../../src/domain/oci/reference.ts';

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const segment = fc.tuple(word, fc.constantFrom('', '.', '_', '__', '-', '---'), word).map((parts) => parts.join(''));
const repository = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/);
const host = fc.oneof(
  fc.constantFrom('localhost', 'localhost:5000', '127.0.0.1:5000', '[::1]:5000', '[2001:db8::1]'),
  fc.tuple(word, word).map(([left, right]) => `${left}.${right}`),
  fc.tuple(word, fc.integer({ min: 1, max: 65_535 })).map(([name, port]) => `${name}:${port}`),
);

describe('an image reference', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(host, repository, fc.option(tag), fc.boolean(), (h, r, t, pinned) => {
        const text = `${h}/${r}${t === null ? '' : `:${t}`}${pinned ? `@${digest}` : ''}`;
        const read = parseReference(text);
        assert.equal(formatReference(read), text);
        assert.deepEqual(
          [read.host, read.repository, read.tag, read.digest],
          [h, r, t ?? undefined, pinned ? digest : undefined],
        );
      }),
    );
  });

  it('is either read or refused with InvalidReference, whatever the text', () => {
    const parts = fc.constantFrom(
      'a',
      'A',
      '0',
      '.',
      '/',
      ':',
      '@',
      '-',
      '_',
      '[',
      ']',
      '%',
      '\u0000',
      'é',
      digest,
      'localhost',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(parts).map((list) => list.join('')),
        ),
        (text) => {
          let read: ReturnType<typeof parseReference>;
          try {
            read = parseReference(text);
          } catch (error) {
            assert.ok(error instanceof InvalidReference, String(error));
            return;
          }
          assert.deepEqual(parseReference(formatReference(read)), read);
          assert.ok(isHost(read.host) && isRepositoryName(read.repository));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('takes no time to speak of on hostile input', () => {
    const took = () => {
      const started = performance.now();
      for (const unit of ['a', 'a-', 'a__', 'a/', '-', 'a.'])
        assert.throws(() => parseReference(`h.io/${unit.repeat(50_000)}!`));
      isHost(`${'a-'.repeat(50_000)}!`);
      return performance.now() - started;
    };
    // The quicker of two: during the other the machine may have done something else.
    assert.ok(Math.min(took(), took()) < 500);
  });

  it('names its registry, always', () => {
    for (const text of ['app', 'team/app:1.0', 'app:1.0', 'registry:5000', '']) {
      assert.throws(() => parseReference(text), /must start with a registry host/);
    }
  });

  it("says what is wrong in the reference's own words", () => {
    assert.throws(() => parseReference('h.io/Team/App'), /upper-case/);
    assert.throws(() => parseReference('h.io/app:.x'), /the tag ".x"/);
    assert.throws(() => parseReference('h.io/app@sha256:12'), /digest after @/);
    assert.throws(() => parseReference('h.io:99999/app'), /"h.io:99999" is no host name/);
    assert.throws(() => parseReference(`h.io/${'a'.repeat(256)}`), /longer than 255/);
  });

  it('keeps hosts in lower case and knows Docker Hub', () => {
    assert.equal(parseReference('Registry.Example.COM/app').host, 'registry.example.com');
    assert.equal(parseReference('docker.io/alpine').repository, 'library/alpine');
    assert.equal(parseReference('docker.io/team/app').repository, 'team/app');
  });
});

describe('the parts of a reference', () => {
  it('follow the grammar of OCI distribution-spec v1.1', () => {
    for (const name of ['a', 'a/b', 'a.b', 'a_b', 'a__b', 'a--b', 'manifests', 'a/blobs/uploads'])
      assert.ok(isRepositoryName(name), name);
    for (const name of ['', '/', 'a/', '/a', 'a//b', 'A', 'a___b', '-a', 'a-', 'a..b', 'a._b', 'a%2fb', '..', 'a\n']) {
      assert.ok(!isRepositoryName(name), name);
    }
    assert.ok(isTag('_') && isTag('A'.repeat(128)) && isTag('1.0-rc.1_x'));
    for (const name of ['', '.a', '-a', 'a'.repeat(129), 'a:b', 'a/b', 'a\n']) assert.ok(!isTag(name), name);
  });
});
