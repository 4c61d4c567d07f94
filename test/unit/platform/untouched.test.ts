import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { cleanMappings } from '../../../src/platform/untouched.ts';

const entry = (head: string, { anonymous = 0, swap = 0 } = {}) =>
  `${head}\nRss:                1000 kB\nAnonymous:          ${anonymous} kB\nSwap:               ${swap} kB\nVmFlags: rd ex mr\n`;

test('only mappings of files that nobody wrote to are released, and only large ones', () => {
  const smaps = [
    entry('00400000-02400000 r--p 00000000 fe:00 123    /usr/bin/node'),
    entry('02400000-04800000 r-xp 02000000 fe:00 123    /usr/bin/node'),
    entry('04800000-04900000 r--p 04400000 fe:00 123    /usr/bin/node', { anonymous: 1024 }),
    entry('04900000-04a00000 r-xp 04400000 fe:00 123    /usr/bin/node', { swap: 4 }),
    entry('04a00000-04b00000 rw-p 04500000 fe:00 123    /usr/bin/node'),
    entry('05000000-06000000 rw-p 00000000 00:00 0      [heap]'),
    entry('06000000-07000000 r--p 00000000 00:00 0 '),
    entry('7f0000000000-7f0000010000 r-xp 00000000 fe:00 124    /lib/libc.so.6'),
    entry('7f0000100000-7f0000200000 r-xp 00000000 fe:00 125    /lib/a name with spaces.so'),
    entry('7ffd00000000-7ffd00100000 r-xp 00000000 00:00 0      [vdso]'),
  ].join('');
  assert.deepEqual(cleanMappings(smaps), [
    { start: 0x400000n, length: 0x2000000n },
    { start: 0x2400000n, length: 0x2400000n },
    { start: 0x7f0000100000n, length: 0x100000n },
  ]);
});

test('a process that released what it had touched is smaller, and goes on', () => {
  const source = `
    import { readFileSync } from 'node:fs';
    import { releaseUntouched } from ${JSON.stringify(new URL('../../../src/platform/untouched.ts', import.meta.url).href)};
    const files = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const before = files();
    await releaseUntouched();
    const after = files();
    const { createHash } = await import('node:crypto');
    console.log(JSON.stringify({ before, after, hash: createHash('sha256').update('abc').digest('hex').slice(0, 8) }));`;
  const said = execFileSync(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '-e',
    source,
  ]);
  const { before, after, hash } = JSON.parse(said.toString()) as { before: number; after: number; hash: string };
  assert.equal(hash, 'ba7816bf');
  assert.ok(after < before * 0.6, `${after} KiB of files are mapped, ${before} before`);
});
