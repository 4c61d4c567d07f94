import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { tarSink } from '../../../src/transfer/archive/file-sink.ts';
import { readWhole, tarTree } from '../../../src/transfer/archive/file-tree.ts';
import { readPaxRecords, readTarHeader, writeTarHeader } from '../../../src/transfer/archive/tar-header.ts';

let scratch: string;
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'ne-tar-'));
});
after(async () => await rm(scratch, { recursive: true, force: true }));

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

describe('a tar header', () => {
  it('is read as it was written, also past 8 GiB', () => {
    const size = fc.oneof(fc.nat(), fc.maxSafeNat());
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9/._-]{1,100}$/), size, (path, bytes) => {
        assert.deepEqual(readTarHeader(writeTarHeader(path, bytes)), { path, size: bytes, kind: 'file', link: '' });
      }),
    );
  });

  it('is refused when a bit is wrong', () => {
    const header = writeTarHeader('a', 5);
    header[3] = 0x61;
    assert.throws(() => readTarHeader(header), /checksum/);
  });

  it('never hangs or crashes on noise', () => {
    const noise = (content: Uint8Array) => {
      try {
        readPaxRecords(Buffer.from(content));
        readTarHeader(Buffer.concat([content, Buffer.alloc(512)], 512));
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 512 }), noise), { numRuns: 1000 });
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9 =\n]{0,40}$/), (text) => noise(Buffer.from(text))),
      { numRuns: 1000 },
    );
  });
});

describe('a tar archive', () => {
  it('that tar wrote is read: long names, links, any format', async () => {
    const folder = await mkdtemp(join(scratch, 'in-'));
    const long = `${'long-name-'.repeat(20)}.bin`;
    await writeFile(join(folder, long), 'long');
    await writeFile(join(folder, 'a'), 'content of a');
    await symlink('a', join(folder, 'link'));
    for (const format of ['gnu', 'pax', 'ustar']) {
      const file = join(scratch, `${format}.tar`);
      const names = format === 'ustar' ? ['a', 'link'] : ['.'];
      execFileSync('tar', ['-C', folder, `--format=${format}`, '-cf', file, ...names]);
      const tree = await tarTree(file, file);
      assert.equal((await readWhole(tree, 'a', 100)).toString(), 'content of a');
      assert.equal((await readWhole(tree, './link', 100)).toString(), 'content of a');
      if (format !== 'ustar') assert.equal((await readWhole(tree, long, 100)).toString(), 'long');
      assert.equal(await tree.size('nothing'), undefined);
      await tree.close();
    }
  });

  it('that we wrote in parallel is read by tar', async () => {
    const file = join(scratch, 'out.tar');
    const sink = await tarSink(file);
    const contents = Array.from({ length: 20 }, (_, index) => Buffer.alloc(index * 300, 65 + index));
    await Promise.all(contents.map((content, index) => sink.write(`dir/${index}`, content.length, once(content))));
    await sink.finish('complete');
    const out = await mkdtemp(join(scratch, 'out-'));
    execFileSync('tar', ['-C', out, '-xf', file]);
    for (const [index, content] of contents.entries()) {
      assert.equal(execFileSync('cat', [join(out, 'dir', String(index))]).compare(content), 0);
    }
  });

  it('leaves nothing behind when it failed', async () => {
    const folder = await mkdtemp(join(scratch, 'failed-'));
    const sink = await tarSink(join(folder, 'x.tar'));
    await sink.write('a', 1, once(Buffer.from('a')));
    await sink.finish('failed');
    assert.equal(execFileSync('ls', ['-A', folder]).toString(), '');
  });

  it('that is damaged is refused in words', async () => {
    const file = join(scratch, 'noise.tar');
    await writeFile(file, 'this is no archive at all'.repeat(100));
    await assert.rejects(tarTree(file, 'noise.tar'), /noise.tar: not a readable tar archive/);
  });
});
