import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VolumeClaim } from '../../../src/operator/registry/children/volume-claim.ts';
import { storageWarnings } from '../../../src/operator/registry/warnings.ts';
import { site } from './sample.ts';

const claim: VolumeClaim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'main-data', namespace: 'registry' },
  spec: {},
  status: { phase: 'Bound', capacity: { storage: '20Gi' } },
};

test('a claim that was deleted under a running pod is told while the volume can still be kept', () => {
  assert.deepEqual(storageWarnings(site(), claim, undefined), []);
  const deletionTimestamp = '2026-01-01T00:00:00Z';
  const [warning, ...others] = storageWarnings(
    site(),
    { ...claim, metadata: { ...claim.metadata, deletionTimestamp } },
    undefined,
  );
  assert.deepEqual(others, []);
  assert.deepEqual([warning?.type, warning?.status], ['VolumeClaimDeleting', 'True']);
  assert.match(warning?.message ?? '', /main-data.*persistentVolumeReclaimPolicy.*Retain/);
});

test('nothing is said of a volume where pods have none', () => {
  const of = site({
    storage: { s3: { bucket: 'images', region: 'cn-north-1' } },
    metadata: { postgres: { secretRef: { name: 'db' } } },
  });
  assert.deepEqual(storageWarnings(of, undefined, { version: '1', generation: 1, storage: { usedBytes: 1 } }), []);
});
