import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { createRegistryMetrics } from '../../../src/registry/metrics.ts';

function setUp() {
  const register = createMetrics();
  const traffic = { received: 0, sent: 0 };
  const storage = {
    value: { usedBytes: 10, freeBytes: 20, reclaimableBytes: 5 } as
      | { usedBytes: number; freeBytes: number; reclaimableBytes: number }
      | undefined,
  };
  const metrics = createRegistryMetrics(register, {
    traffic: () => ({ ...traffic }),
    storage: async () => storage.value,
  });
  return { register, metrics, traffic, storage };
}

test('requests are counted by method, route and code, and timed by route', async () => {
  const { register, metrics } = setUp();
  for (let i = 0; i < 3; i++) metrics.observe({ route: 'manifest', method: 'GET', status: 200, seconds: 0.002 });
  metrics.observe({ route: 'manifest', method: 'BREW', status: 405, seconds: 0.002 });
  const text = await register.metrics();
  assert.match(text, /ne_registry_http_requests_total\{method="GET",route="manifest",code="200"\} 3/);
  assert.match(text, /ne_registry_http_requests_total\{method="other",route="manifest",code="405"\} 1/);
  assert.match(text, /ne_registry_http_request_duration_seconds_count\{route="manifest"\} 4/);
});

test('bytes go up by what connections carried since the last scrape', async () => {
  const { register, traffic } = setUp();
  traffic.sent = 100;
  await register.metrics();
  traffic.sent = 150;
  assert.match(await register.metrics(), /ne_registry_bytes_total\{direction="sent"\} 150/);
});

test('storage is of the moment in every gauge, and kept where the stores cannot tell', async () => {
  const { register, storage } = setUp();
  assert.match(await register.metrics(), /ne_storage_free_bytes 20\n/);
  storage.value = undefined;
  const text = await register.metrics();
  assert.match(text, /ne_storage_used_bytes 10\n/);
  assert.match(text, /ne_storage_reclaimable_bytes 5\n/);
});

test('a failed reload is counted and shown until the next good one', async () => {
  const { register, metrics } = setUp();
  metrics.reloaded('failed');
  assert.match(
    await register.metrics(),
    /ne_config_reload_failures_total 1\n[\s\S]*ne_config_last_reload_successful 0\n/,
  );
  metrics.reloaded('taken');
  assert.match(await register.metrics(), /ne_config_last_reload_successful 1\n/);
});

test('every metric of ours has its prefix, and no label that grows with the content', async () => {
  const { register } = setUp();
  for (const metric of await register.getMetricsAsJSON()) {
    assert.match(metric.name, /^(ne_|process_|nodejs_)/);
    assert.doesNotMatch(JSON.stringify(metric), /"(repository|tag|digest)":/);
  }
});
