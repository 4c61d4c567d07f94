import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { admin } from './registry.ts';

test('users that are created at the same time are all there', { timeout: 600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ne-users-'));
  try {
    const names = Array.from({ length: 8 }, (_, at) => `user-${at}`);
    const made = await Promise.all(names.map((name) => admin('create-user', name, '--data', join(folder, 'data'))));
    assert.deepEqual(
      made.map(({ code }) => code),
      names.map(() => 0),
      made.map(({ stderr }) => stderr).join(),
    );
    const lines = readFileSync(join(folder, 'data', 'htpasswd'), 'utf8')
      .trim()
      .split('\n');
    assert.deepEqual(lines.map((line) => line.split(':')[0]).sort(), names);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
