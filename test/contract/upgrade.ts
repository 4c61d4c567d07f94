/** What a database of before holds, and what it has to hold after the upgrade. */
import assert from 'node:assert/strict';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { by, digest, manifest } from './fixtures.ts';

/** For both stores, in the tables of the first schema: a tag and a tombstone with an origin of before, and a rule. */
export const HELD_BEFORE = `
INSERT INTO repositories (name) VALUES ('r');
INSERT INTO manifests (repository_id, digest, media_type, size, pushed_at, pushed_by)
  SELECT id, '${digest(1)}', 'a/b', 2, 50, 'ann' FROM repositories;
INSERT INTO manifest_bytes (manifest_id, bytes) SELECT id, '{}' FROM manifests;
INSERT INTO tags (repository_id, name, manifest_id, version, origin, actor, changed_at)
  SELECT repository_id, 't', id, 4, 'some-rule', 'ann', 60 FROM manifests;
INSERT INTO tag_tombstones (repository_id, name, digest, version, origin, actor, deleted_at)
  SELECT repository_id, 'gone', digest, 7, 'some-rule', 'ann', 70 FROM manifests;
INSERT INTO rules (kind, name, generation, document, changed_at, changed_by) VALUES ('retention', 'old', 2, '{}', 80, 'ann');
`;

/** All of it is there, what was made by whatever rule counts as made here, and tags go on from their versions. */
export async function requireUpgraded(store: MetadataStore): Promise<void> {
  assert.deepEqual(await store.tagRecords('r', { limit: 9 }), [
    { tag: 'gone', digest: digest(1), version: 7, changedAt: 70, deleted: 'deleted' },
    { tag: 't', digest: digest(1), mediaType: 'a/b', version: 4, changedAt: 60, pushedAt: 50 },
  ]);
  const { name, ...rule } = { name: 'old', generation: 2, document: '{}', changedAt: 80, changedBy: 'ann' };
  assert.deepEqual(await store.rules('retention'), [{ kind: 'retention', name, uid: '', ...rule }]);
  assert.match(await store.identity(), /^[0-9a-f-]{36}$/);
  const replicated = { version: 7, origin: '!' };
  const late = await store.putManifest(
    manifest({ repository: 'r', digest: digest(1), tags: ['gone'], by: by(90), replicated }),
  );
  assert.equal(late.outcome, 'conflict');
  await store.putManifest(manifest({ repository: 'r', digest: digest(1), tags: ['gone'], by: by(90) }));
  assert.equal((await store.tagRecord('r', 'gone'))?.version, 8);
}
