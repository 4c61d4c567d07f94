import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { DigestCheck } from '../../../src/transfer/digest-check.ts';

function descriptorOf(bytes: Uint8Array): { digest: Digest; size: number } {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length };
}

async function* chunked(bytes: Uint8Array, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield Buffer.from(bytes.subarray(at, at + length));
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const list: Buffer[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return Buffer.concat(list);
}

describe('a digest check', () => {
  it('lets the right bytes through, in whatever chunks', async () => {
    const content = fc.uint8Array({ maxLength: 500 });
    await fc.assert(
      fc.asyncProperty(content, fc.integer({ min: 1, max: 64 }), async (bytes, length) => {
        const check = new DigestCheck(descriptorOf(bytes), 'here');
        assert.equal((await collect(check.passing(chunked(bytes, length), 0))).compare(bytes), 0);
      }),
    );
  });

  it('goes on after cuts, from any earlier offset', async () => {
    const cut = fc.array(fc.nat({ max: 100 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 100 }), cut, async (bytes, cuts) => {
        const check = new DigestCheck(descriptorOf(bytes), 'here');
        let offset = 0;
        for (const position of cuts) {
          const end = Math.min(Math.max(position, offset), bytes.length);
          await collect(check.passing(chunked(bytes.subarray(offset, end), 7), offset)).catch(() => {});
          offset = Math.min(offset, position);
        }
        await collect(check.passing(chunked(bytes.subarray(offset), 7), offset));
      }),
    );
  });

  it('refuses a flipped bit, a byte too few and a byte too many', async () => {
    const bytes = Buffer.from('the bytes of a layer');
    const descriptor = descriptorOf(bytes);
    const flipped = Buffer.from(bytes);
    flipped[5] = (flipped[5] ?? 0) ^ 1;
    for (const wrong of [
      flipped,
      bytes.subarray(1),
      bytes.subarray(0, -1),
      Buffer.concat([bytes, Buffer.from('!')]),
      Buffer.alloc(0),
    ]) {
      const check = new DigestCheck(descriptor, 'there');
      await assert.rejects(collect(check.passing(chunked(wrong, 6), 0)), /there: the blob sha256:\w+ is damaged/);
    }
  });

  it('never lets the last wrong byte out', async () => {
    const bytes = Buffer.from('the bytes of a layer');
    const wrong = Buffer.from('the bytes of a LAYER');
    let passed = 0;
    const check = new DigestCheck(descriptorOf(bytes), 'there');
    await assert.rejects(async () => {
      for await (const chunk of check.passing(chunked(wrong, 5), 0)) passed += chunk.length;
    });
    assert.equal(passed, 15);
  });
});
