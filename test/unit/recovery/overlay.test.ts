/** What the journal says of a name's versions, also where a program of before wrote a part of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Overlay } from '../../../src/registry/recovery/restore/overlay.ts';
import type { JournalChange } from '../../../src/registry/recovery/rows.ts';
import { digest } from '../../contract/fixtures.ts';

type Said = Partial<JournalChange> & Pick<JournalChange, 'kind'>;

function overlayOf(...changes: Said[]): Overlay {
  const overlay = new Overlay();
  changes.forEach((change, at) => {
    const common = { row: 'change', sequence: at + 1, at: at + 1, repository: 'r', actor: 'x' } as const;
    const named = change.kind.startsWith('tag') ? { tag: 't' } : {};
    const pointed = change.kind === 'tag-version' ? {} : { digest: digest(1) };
    overlay.apply({ ...common, ...named, ...pointed, ...change }, 1);
  });
  return overlay;
}

function tagOf(...changes: Said[]) {
  const { set, steps, told, expired, at } = overlayOf(...changes).tags.get('r t') ?? {};
  return { set, steps, told, expired, at };
}

test('changes that say no version are counted, from the last one that does', () => {
  assert.deepEqual(tagOf({ kind: 'tag-set' }, { kind: 'tag-deleted' }), {
    set: false,
    steps: 2,
    told: undefined,
    expired: false,
    at: 2,
  });
  const mixed = tagOf(
    { kind: 'tag-set', version: 7, tagOrigin: 'other' },
    { kind: 'tag-deleted' },
    { kind: 'tag-set', digest: digest(2) },
  );
  assert.deepEqual(mixed, { set: true, steps: 2, told: { version: 7 }, expired: false, at: 3 });
});

test('the version that was told last holds, with its origin', () => {
  const last = tagOf({ kind: 'tag-set' }, { kind: 'tag-set', version: 9, tagOrigin: 'other' });
  assert.deepEqual(last, { set: true, steps: 0, told: { version: 9, origin: 'other' }, expired: false, at: 2 });
  const own = tagOf({ kind: 'tag-set', version: 9, tagOrigin: 'other' }, { kind: 'tag-set', version: 10 });
  assert.deepEqual(own.told, { version: 10, origin: undefined });
});

test('a version that was taken over changes nothing else of a tag', () => {
  const adopted = tagOf({ kind: 'tag-set', version: 1 }, { kind: 'tag-version', version: 5, tagOrigin: 'other' });
  assert.deepEqual(adopted, { set: true, steps: 0, told: { version: 5, origin: 'other' }, expired: false, at: 1 });
  const { tags, versions } = overlayOf({ kind: 'tag-version', version: 5, tagOrigin: 'other' });
  assert.equal(tags.size, 0);
  assert.deepEqual([...versions], [['r t', { version: 5, origin: 'other', at: 1 }]]);
});

test('what expired stays known as that, until another registry deletes it', () => {
  const expired = { kind: 'tag-deleted', version: 3, tombstone: 'expired' } as const;
  assert.equal(tagOf(expired).expired, true);
  const deleted = tagOf(expired, { kind: 'tag-version', version: 4, tagOrigin: 'other', tombstone: 'deleted' });
  assert.deepEqual(deleted, { set: false, steps: 0, told: { version: 4, origin: 'other' }, expired: false, at: 2 });
});

test('changes of rules make no repository', () => {
  const ruleRow = { kind: 'retention', name: 'n', uid: 'u', generation: 1, document: '{}', changedAt: 1 } as const;
  const rule = { rule: 'retention/n', repository: '', row: 'rule-change' } as const;
  const overlay = overlayOf({ kind: 'rule-put', ...rule, ruleRow: { ...ruleRow, changedBy: 'x' } });
  assert.deepEqual([...overlay.repositories], []);
  assert.deepEqual(overlay.rules.get('retention/n'), { row: 'rule', ...ruleRow, changedBy: 'x' });
  overlay.apply({ kind: 'rule-deleted', sequence: 2, at: 2, actor: 'x', ...rule }, 1);
  assert.ok(overlay.rules.has('retention/n') && overlay.rules.get('retention/n') === undefined);
});
