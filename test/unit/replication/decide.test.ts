import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { decide, type TagPolicy, type TagQuestion } from '../../../src/domain/replication/decide.ts';

const d = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const [one, two, three] = [d('1'), d('2'), d('3')];
const plain: TagPolicy = { onConflict: 'Override', returns: false, referrers: true, now: 1_000_000 };

function reason(question: Partial<TagQuestion>, policy: Partial<TagPolicy> = {}): string {
  const decision = decide(
    { source: undefined, target: undefined, copy: undefined, ...question },
    { ...plain, ...policy },
  );
  return 'reason' in decision ? `${decision.action} ${decision.reason}` : decision.action;
}

test('what the target lacks is copied, what it has is noted once and then left alone', () => {
  assert.equal(reason({ source: { digest: one } }), 'copy new');
  assert.equal(reason({ source: { digest: one }, target: { digest: one } }), 'note');
  assert.equal(reason({ source: { digest: one }, target: { digest: one }, copy: { digest: one } }), 'none equal');
  assert.equal(reason({ source: { digest: two }, target: { digest: one }, copy: { digest: one } }), 'copy moved');
});

test('late signatures are found though the tag is equal', () => {
  const target = { digest: one };
  assert.equal(reason({ source: { digest: one, referrers: 'a' }, target, copy: { digest: one } }), 'copy referrers');
  assert.equal(
    reason({ source: { digest: one, referrers: 'b' }, target, copy: { digest: one, referrers: 'a' } }),
    'copy referrers',
  );
  assert.equal(
    reason({ source: { digest: one, referrers: 'a' }, target, copy: { digest: one, referrers: 'a' } }),
    'none equal',
  );
  assert.equal(reason({ source: { digest: one, referrers: 'a' }, target }), 'copy referrers');
  assert.equal(
    reason({ source: { digest: one, referrers: '' }, target, copy: { digest: one, referrers: 'a' } }),
    'note',
  );
  assert.equal(
    reason({ source: { digest: one, referrers: 'a' }, target, copy: { digest: one } }, { referrers: false }),
    'none equal',
  );
});

test('a tag that somebody else moved is a conflict, unless the rule overrides it', () => {
  const question = { source: { digest: one }, target: { digest: three }, copy: { digest: one } };
  assert.equal(reason(question), 'copy override');
  assert.equal(reason(question, { onConflict: 'Skip' }), 'conflict');
  assert.equal(reason({ ...question, source: { digest: two } }, { onConflict: 'Fail' }), 'conflict');
  assert.equal(reason({ ...question, target: undefined }, { onConflict: 'Skip' }), 'conflict');
});

test('an earlier state that the source itself made is no conflict', () => {
  const source = { digest: two, version: 2, origin: 'a' };
  assert.equal(
    reason({ source, target: { digest: one, version: 1, origin: 'a' } }, { onConflict: 'Skip' }),
    'copy moved',
  );
  assert.equal(
    reason({ source, target: { digest: one, version: 1, origin: 'b' } }, { onConflict: 'Skip' }),
    'conflict',
  );
});

test('where changes come back, the newer state stands, by version and then by origin', () => {
  const state = (digest: Digest, version: number, origin: string) => ({ digest, version, origin });
  const both = (source: [number, string], target: [number, string]) =>
    reason(
      { source: state(one, ...source), target: state(two, ...target), copy: { digest: one } },
      { returns: true, onConflict: 'Fail' },
    );
  assert.equal(both([2, 'a'], [1, 'b']), 'copy moved');
  assert.equal(both([1, 'a'], [2, 'b']), 'none settled');
  assert.equal(both([2, 'b'], [2, 'a']), 'copy moved');
  assert.equal(both([2, 'a'], [2, 'b']), 'none settled');
});

test('a copy over a newer state is not made conditional on being newer', () => {
  const source = { digest: one, version: 1, origin: 'a' };
  const over = (target: TagQuestion['target']) => decide({ source, target, copy: { digest: two } }, plain);
  assert.deepEqual(over({ digest: two, version: 5, origin: 'b' }), {
    action: 'copy',
    reason: 'moved',
    versioned: false,
  });
  assert.deepEqual(over({ digest: two, version: 0, origin: 'b' }), {
    action: 'copy',
    reason: 'moved',
    versioned: true,
  });
});

test('what the retention of the target expired comes again only once the tag has moved', () => {
  const target = { digest: one, deleted: 'expired' as const, version: 3, origin: 'b' };
  assert.equal(
    reason({ source: { digest: one, version: 9, origin: 'a' }, target, copy: { digest: one } }),
    'none expired',
  );
  assert.equal(reason({ source: { digest: two }, target, copy: { digest: one } }), 'copy moved');
});

test('a deletion does not resurrect where changes come back', () => {
  const source = { digest: one, version: 1, origin: 'a' };
  const target = { digest: one, version: 2, origin: 'b', deleted: 'deleted' as const };
  assert.equal(reason({ source, target, copy: { digest: one } }, { returns: true }), 'none settled');
  assert.equal(
    reason({ source: { ...source, version: 3 }, target, copy: { digest: one } }, { returns: true }),
    'copy new',
  );
  assert.equal(reason({ source, target, copy: { digest: one } }), 'copy override');
});

test('the target keeps what the source loses, unless deletions are propagated', () => {
  const question = { target: { digest: one }, copy: { digest: one } };
  assert.equal(reason(question), 'none kept');
  assert.deepEqual(decide({ source: undefined, ...question }, { ...plain, deletionDelay: 60_000 }), {
    action: 'note',
    missingSince: plain.now,
  });
});

test('a tag is deleted only when a second listing lacks it and it was gone for long enough', () => {
  const at = (missingSince: number, more: Partial<TagQuestion> = {}) =>
    reason({ target: { digest: one }, copy: { digest: one, missingSince }, ...more }, { deletionDelay: 60_000 });
  assert.equal(at(plain.now - 59_999), 'none waiting');
  assert.equal(at(plain.now - 60_000), 'delete');
  assert.equal(at(0, { target: { digest: two } }), 'none not-ours');
  assert.equal(at(0, { target: undefined }), 'forget');
  assert.equal(at(0, { copy: undefined }), 'none not-ours');
});

test('a tag that came back is not missing any more', () => {
  const question = { source: { digest: one }, target: { digest: one }, copy: { digest: one, missingSince: 1 } };
  assert.deepEqual(decide(question, plain), { action: 'note' });
});
