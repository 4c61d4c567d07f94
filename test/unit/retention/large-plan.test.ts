/** A million images in one repository fit in 300 MB, Node itself included. The time is told, and not judged: machines differ. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const program = join(import.meta.dirname, 'large-plan-process.ts');

for (const kind of ['single images', 'families', 'ties'])
  test(`a plan over a million images: ${kind}`, async (context) => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, '1000000', kind]);
    const { seconds, megabytes, expiring } = JSON.parse(stdout) as Record<string, number>;
    context.diagnostic(`${expiring} expire; ${seconds?.toFixed(1)} s, ${megabytes?.toFixed(0)} MB`);
    assert.ok(expiring !== undefined && expiring > 900_000 && expiring < 999_000, `${expiring} expire`);
    assert.ok(megabytes !== undefined && megabytes <= 300, `${megabytes} MB`);
  });
