/** Replicas have clocks of their own: what one of them leased a moment ago, another one must not find too old. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { createJobMetrics } from '../../../src/registry/jobs/metrics.ts';
import { reclaimWork } from '../../../src/registry/jobs/reclaim.ts';
import type { JobSettings } from '../../../src/registry/jobs/work.ts';
import { blobDigest, House } from './space/house.ts';

const settings = { reclaim: { graceSeconds: 0 } } as JobSettings;
const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

for (const { shared, keeps, drops } of [
  { shared: false, keeps: 9_000, drops: 11_000 },
  { shared: true, keeps: 69_000, drops: 71_000 },
]) {
  test(`a blob goes ${drops} ms after its last lease where the store is ${shared ? '' : 'not '}shared`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ne-clocks-'));
    const house = new House(directory);
    await house.open();
    try {
      const leased = Date.now();
      await house.begin('m/a', 0, leased);
      await house.finish();
      assert.equal(await house.name(leased), 'named');
      // The store as it is, but for what it says about who else uses it.
      const blobs = Object.assign(house.blobs, { shared });
      let now = leased;
      const parts = { metadata: house.metadata, blobs, log, settings: () => settings, now: () => now, removalDelay: 0 };
      const metrics = createJobMetrics(createMetrics(), async () => 0);
      const work = reclaimWork({ ...parts, metrics });
      const isKnown = async () => (await house.metadata.blob('m/a', blobDigest(0))) !== undefined;
      const passes = async (age: number) => {
        // The second pass drops what the first one condemned.
        for (const later of [0, 6_000]) {
          now = leased + age + later;
          await work.run({
            payload: '{}',
            asked: false,
            signal: new AbortController().signal,
            keep: async () => undefined,
          });
        }
      };
      await passes(keeps - 6_000);
      assert.ok(await isKnown(), 'it went too early');
      await passes(drops);
      assert.ok(!(await isKnown()), 'it did not go');
    } finally {
      await house.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
}
