/** What the journal makes of a database that failed over and lost its last commits. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { ChangeRow } from '../../../src/registry/metadata/store.ts';
import { Journal } from '../../../src/registry/recovery/journal.ts';
import type { RecordStore } from '../../../src/registry/storage/records.ts';

class Records implements RecordStore {
  readonly held = new Map<string, Uint8Array>();
  async put(name: string, bytes: Uint8Array | Readable): Promise<void> {
    const chunks = bytes instanceof Readable ? await Array.fromAsync(bytes as AsyncIterable<Uint8Array>) : [bytes];
    this.held.set(name, Buffer.concat(chunks));
  }
  async get(name: string): Promise<Readable | undefined> {
    const bytes = this.held.get(name);
    return bytes && Readable.from([bytes]);
  }
  async *list(): AsyncGenerator<{ name: string; size: number; modifiedAt: number }> {
    for (const [name, { byteLength }] of this.held) yield { name, size: byteLength, modifiedAt: 0 };
  }
  async remove(name: string): Promise<void> {
    this.held.delete(name);
  }
  async close(): Promise<void> {}
}

const change = (sequence: number, tag: string): ChangeRow => ({
  sequence,
  at: sequence,
  kind: 'tag-deleted',
  repository: 'team/app',
  tag,
  actor: 'tester',
});

function journalOf(feed: ChangeRow[], records: Records): Promise<Journal> {
  const lastSequence = () => feed.at(-1)?.sequence ?? 0;
  return Journal.open({
    metadata: {
      changes: (after, limit) => feed.filter(({ sequence }) => sequence > after).slice(0, limit),
      manifest: () => undefined,
      manifestBytes: () => undefined,
      blob: () => undefined,
      rule: () => undefined,
      identity: () => 'registry',
      lastSequence,
      async *export() {
        yield { row: 'head', sequence: lastSequence(), takenAt: 0 };
      },
    },
    records,
    log: { info: () => undefined, warn: () => undefined },
    now: () => Date.now(),
  });
}

test('numbers that were given out again begin a new epoch, also where later ones have followed by now', async () => {
  for (const lost of [1, 2, 3]) {
    const records = new Records();
    const feed: ChangeRow[] = [];
    const journal = await journalOf(feed, records);
    feed.push(...[1, 2, 3].map((sequence) => change(sequence, 'before')));
    await journal.flush();
    const kept = feed.length - lost;
    feed.splice(kept, lost, ...[0, 1, 2, 3].map((n) => change(kept + 1 + n, 'after')));
    await journal.flush();
    await journal.settle();
    assert.equal(journal.epoch, 2);
    assert.equal(journal.sequence, kept + 4);
    assert.deepEqual([...records.held.keys()], [`000002/checkpoint-${String(kept + 4).padStart(16, '0')}`]);
    feed.push(change(kept + 5, 'later'));
    await journal.flush();
    assert.equal(journal.epoch, 2);
    assert.equal(records.held.size, 2);
  }
});

test('what goes on as it was stays in its epoch', async () => {
  const records = new Records();
  const feed: ChangeRow[] = [];
  const journal = await journalOf(feed, records);
  feed.push(change(1, 'one'));
  for (let sequence = 2; sequence < 6; sequence++) {
    await journal.flush();
    feed.push(change(sequence, 'more'));
  }
  await journal.flush();
  assert.deepEqual([journal.epoch, journal.sequence, records.held.size], [1, 5, 5]);
});
