import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Fatal, reportFatal } from '../../../src/platform/fatal.ts';

function report(error: unknown, terminationLog = '/nowhere/at/all') {
  const written: string[] = [];
  const logged: { fields: object; message: string }[] = [];
  const code = reportFatal(error, {
    log: { fatal: (fields, message) => logged.push({ fields, message }) },
    stderr: { write: (text) => written.push(text) },
    terminationLog,
  });
  return { code, written, logged };
}

test('a foreseen end is one log line and the same text on stderr, without a stack', () => {
  const { code, written, logged } = report(new Fatal('the port is in use', { cause: new Error('EADDRINUSE') }));
  assert.equal(code, 1);
  assert.deepEqual(written, ['ne-registry: the port is in use\n']);
  assert.deepEqual(logged, [{ fields: {}, message: 'the port is in use' }]);
});

test('a wrong command line or configuration ends with 2', () => {
  assert.equal(report(new Fatal('no', { exit: 'usage' })).code, 2);
});

test('of an unforeseen error the log has the error itself', () => {
  const error = new TypeError('x is not a function');
  const { code, logged } = report(error);
  assert.equal(code, 1);
  assert.deepEqual(logged[0]?.fields, { err: error });
});

test('the termination log gets the text where there is one', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'ne-registry-fatal-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'termination-log');
  writeFileSync(file, '');
  report(new Fatal('the reason'), file);
  assert.equal(readFileSync(file, 'utf8'), 'the reason');
});

test('whatever was thrown has an exit code', () => {
  for (const thrown of ['text', undefined, null, { a: 1 }]) assert.equal(report(thrown).code, 1);
});
