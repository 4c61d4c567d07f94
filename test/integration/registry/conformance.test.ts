/**
 * The official conformance suite, for 1.1 and the main branch: no failure, no skip. It is not on the Go module proxy, so it
 * has to be built from a checkout of opencontainers/distribution-spec, and named: docs/conformance.md says how.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startServer } from './server.ts';

const program = process.env.OCI_CONFORMANCE_PROGRAM;
const skip = program === undefined && 'set OCI_CONFORMANCE_PROGRAM to the built suite (docs/conformance.md)';

/** What each version of the suite may leave out, because that version does not have it. */
const versions = { '1.1': 2, dev: 0 } as const;

for (const [version, disabled] of Object.entries(versions)) {
  test(`the conformance suite of ${version}, sparse manifests on, with token authentication`, { skip }, async () => {
    const server = await startServer();
    const results = mkdtempSync(join(tmpdir(), 'ne-conformance-'));
    try {
      const env = {
        ...process.env,
        OCI_REGISTRY: server.host,
        OCI_TLS: 'disabled',
        OCI_VERSION: version,
        OCI_DATA_SPARSE: 'true',
        OCI_USERNAME: server.user,
        OCI_PASSWORD: server.password,
        OCI_RESULTS_DIR: results,
      };
      const { stdout } = await promisify(execFile)(program ?? '', { env, maxBuffer: 64 * 1024 * 1024 });
      assert.doesNotMatch(stdout, /: (FAIL|Skip|Error)\b/);
      const junit = readFileSync(join(results, 'junit.xml'), 'utf8');
      const summary = [...junit.matchAll(/<testsuites?\b[^>]*>/g)].slice(0, 2).join('');
      const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(summary)?.[1] ?? 0);
      assert.ok(count('tests') > 900, summary);
      assert.deepEqual(['failures', 'errors', 'skipped', 'disabled'].map(count), [0, 0, 0, disabled], summary);
    } finally {
      await server.discard();
      rmSync(results, { recursive: true, force: true });
    }
  });
}
