/**
 * A million images in one repository fit in 300 MB, Node itself included, where it is started as the registry is. The time is told,
 * and not judged: machines differ.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../../..');
const { flags } = (await import(join(root, 'bin/settings.js'))) as { flags: string[] };
const program = join(import.meta.dirname, 'large-plan-process.ts');

for (const kind of ['single images', 'families', 'ties'])
  test(`a plan over a million images: ${kind}`, async (context) => {
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, program, '1000000', kind]);
    const { seconds, processor, megabytes, expiring } = JSON.parse(stdout) as Record<string, number>;
    context.diagnostic(
      `${expiring} expire; ${seconds?.toFixed(1)} s (of the processor ${processor?.toFixed(1)}), ${megabytes?.toFixed(0)} MB`,
    );
    assert.ok(expiring !== undefined && expiring > 900_000 && expiring < 999_000, `${expiring} expire`);
    assert.ok(megabytes !== undefined && megabytes <= 300, `${megabytes} MB`);
  });
