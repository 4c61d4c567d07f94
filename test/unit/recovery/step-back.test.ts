/** A database that was put back to an older moment is told from a server that failed over, and what the journal knows stays. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fatal } from '../../../src/platform/fatal.ts';
import { startWorkers } from '../../../src/registry/jobs/workers.ts';
import type { ChangeRow } from '../../../src/registry/metadata/store.ts';
import { removeCovered } from '../../../src/registry/recovery/base.ts';
import { Journal, type JournalSource } from '../../../src/registry/recovery/journal.ts';
import { JournalWorker } from '../../../src/registry/recovery/journal-worker.ts';
import { refuseLostHistory } from '../../../src/registry/recovery/lost-history.ts';
import type { RecordStore } from '../../../src/registry/storage/records.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Records in memory, written at the time of the moment. */
class Records implements RecordStore {
  readonly held = new Map<string, { bytes: Uint8Array; modifiedAt: number }>();
  time = 0;
  async put(name: string, bytes: Uint8Array | Readable): Promise<void> {
    const chunks = bytes instanceof Readable ? await Array.fromAsync(bytes as AsyncIterable<Uint8Array>) : [bytes];
    this.held.set(name, { bytes: Buffer.concat(chunks), modifiedAt: this.time });
  }
  async get(name: string): Promise<Readable | undefined> {
    const found = this.held.get(name);
    return found && Readable.from([found.bytes]);
  }
  async *list(): AsyncGenerator<{ name: string; size: number; modifiedAt: number }> {
    for (const [name, { bytes, modifiedAt }] of this.held) yield { name, size: bytes.byteLength, modifiedAt };
  }
  async remove(name: string): Promise<void> {
    this.held.delete(name);
  }
  async close(): Promise<void> {}
}

class House {
  readonly records = new Records();
  readonly feed: ChangeRow[] = [];
  readonly metadata: JournalSource = {
    changes: (after, limit) => this.feed.filter(({ sequence }) => sequence > after).slice(0, limit),
    manifest: () => undefined,
    manifestBytes: () => undefined,
    blob: () => undefined,
    rule: () => undefined,
    identity: () => 'registry',
    lastSequence: () => this.feed.at(-1)?.sequence ?? 0,
    export: () => this.#export(),
  };

  async *#export() {
    yield { row: 'head', sequence: this.feed.at(-1)?.sequence ?? 0, takenAt: 0 } as const;
  }

  get parts() {
    const { records, metadata } = this;
    const log = { info: () => undefined, warn: () => undefined };
    return { metadata, records, log, now: () => records.time, checkpointBytes: Number.MAX_SAFE_INTEGER };
  }

  push(tag: string): void {
    const sequence = (this.feed.at(-1)?.sequence ?? 0) + 1;
    const repository = 'team/app';
    this.feed.push({ sequence, at: sequence, kind: 'tag-deleted', repository, tag, actor: 'tester' });
  }

  /** Pushes and writes, so far apart. @returns the journal */
  async history(count: number, apart: number): Promise<Journal> {
    const journal = await Journal.open(this.parts);
    for (let n = 0; n < count; n++) {
      this.records.time += apart;
      this.push('before');
      await journal.flush();
    }
    return journal;
  }

  /** Puts the database back to `kept` changes, upon which `more` follow. */
  back(kept: number, more = 0): void {
    this.feed.length = kept;
    for (let n = 0; n < more; n++) this.push('after');
  }

  start(): Promise<void> {
    return refuseLostHistory({ metadata: this.metadata, journal: this.records, mayStepBack: true });
  }
}

const names = ({ records }: House) => [...records.held.keys()];
const isLost = (error: unknown) => error instanceof Fatal && /admin restore.*move the journal away/.test(error.message);

test('an older database is refused at the start and while running, also where new changes took the lost numbers', async () => {
  for (const more of [0, 1, 4, 9]) {
    const house = new House();
    const journal = await house.history(8, 2 * MINUTE);
    const before = names(house);
    house.back(3, more);
    await assert.rejects(house.start(), isLost, `${more} more`);
    await assert.rejects(Journal.open(house.parts), isLost);
    await assert.rejects(journal.flush(), isLost);
    await journal.settle();
    assert.deepEqual([names(house), journal.epoch], [before, 1]);
  }
});

test('a failover goes on in a new epoch, and the earlier one stays for a week', async () => {
  for (const more of [0, 2, 5]) {
    const house = new House();
    await house.history(8, 1000);
    const before = names(house);
    house.back(6, more);
    house.records.time += DAY;
    await house.start();
    const journal = await Journal.open(house.parts);
    assert.equal(journal.epoch, 2, `${more} more`);
    await journal.flush();
    await journal.settle();
    await house.start();
    const checkpoint = `000002/checkpoint-${String(6 + more).padStart(16, '0')}`;
    assert.deepEqual(names(house), [...before, checkpoint]);

    house.records.time += 8 * DAY;
    house.push('later');
    house.push('last');
    await journal.flush();
    house.back(7 + more);
    await journal.flush();
    await journal.settle();
    assert.ok(!names(house).some((name) => name.startsWith('000001/')), names(house).join());
    assert.ok(names(house).includes(checkpoint) === false);
  }
});

test('a checkpoint leaves what was written in the last minutes, which tells how much a database lost', async () => {
  const house = new House();
  await house.history(8, 2 * MINUTE);
  const before = names(house);
  await house.records.put('000001/checkpoint-0000000000000008', Buffer.alloc(1));
  await removeCovered(house.records, { epoch: 1, sequence: 8, now: house.records.time });
  assert.deepEqual(names(house), [...before.slice(-3), '000001/checkpoint-0000000000000008']);
  const journal = await Journal.open(house.parts);
  assert.deepEqual([journal.epoch, journal.sequence], [1, 8]);
  house.back(7);
  await house.start();
  house.back(3);
  await assert.rejects(house.start(), isLost);
});

test('changes that are in a checkpoint alone were lost before the failover', async () => {
  const house = new House();
  await house.history(8, 1000);
  house.records.time += DAY;
  for (const name of names(house)) await house.records.remove(name);
  await house.records.put('000001/checkpoint-0000000000000008', Buffer.alloc(1));
  house.back(3);
  await assert.rejects(house.start(), isLost);
});

test('opening goes on where the journal ends, and knows its last change', async () => {
  const house = new House();
  await house.history(3, 1000);
  const journal = await Journal.open(house.parts);
  assert.equal(journal.epoch, 1);
  // The number is given out again before the first flush.
  house.back(2, 2);
  await journal.flush();
  await journal.settle();
  assert.equal(journal.epoch, 2);
});

test('it is an error in the log, and a fault for as long as it lasts', async () => {
  const house = new House();
  await house.history(8, 2 * MINUTE);
  const kept = [...house.feed];
  house.back(3, 1);
  const errors: string[] = [];
  const log = { ...house.parts.log, error: (_: object, message: string) => errors.push(message) };
  const worker = new JournalWorker({ ...house.parts, log });
  worker.start();
  for (let tries = 0; worker.fault === undefined && tries < 3000; tries++) await sleep(20);
  assert.match(worker.fault ?? '', /admin restore/);
  assert.equal(errors.length, 1);
  house.feed.splice(0, house.feed.length, ...kept);
  for (let tries = 0; worker.fault !== undefined && tries < 1200; tries++) await sleep(50);
  assert.equal(worker.fault, undefined);
  await worker.stop();
});

test('no bytes are removed while the metadata lacks what the journal knows', async () => {
  type Options = Parameters<typeof startWorkers>[0];
  const claimed = new Set<string>();
  const failures = new Map<string, string>();
  const touched: string[] = [];
  const queue = {
    enqueueJob: async () => undefined,
    claimJob: async ({ kinds }: { kinds: readonly string[] }) => {
      const [kind = ''] = kinds;
      if (claimed.has(kind)) return undefined;
      claimed.add(kind);
      return { id: claimed.size, kind, key: kind, payload: '{}', attempts: 1 };
    },
    finishJob: async ({ id, again }: { id: number; again?: { error?: string } }) => {
      failures.set([...claimed][id - 1] ?? '', again?.error ?? '');
    },
    renewJob: async () => true,
    jobs: async () => [],
  };
  const metadata = new Proxy(queue, {
    get: (target, name) =>
      name in target
        ? Reflect.get(target, name)
        : () => {
            touched.push(String(name));
            throw new Error('not to be reached');
          },
  });
  const blobs = { list: () => touched.push('list') };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const metrics = new Proxy({}, { get: () => () => undefined });
  const settings = () => ({
    limits: { uploadIdleSeconds: 60 },
    reclaim: {},
    scrub: {},
    workers: { run: 'InPod', concurrency: 4 },
  });
  const requireWhole = () => Promise.reject(new Fatal('the metadata was replaced by an older one'));
  const options = {
    metadata,
    blobs,
    log,
    metrics,
    settings,
    requireWhole,
    worker: 'w',
    now: Date.now,
    removalDelay: 0,
  };
  const workers = startWorkers(options as unknown as Options);
  await workers.runNow('sweep');
  await workers.runNow('reclaim');
  for (let tries = 0; !(failures.has('sweep') && failures.has('reclaim')) && tries < 3000; tries++) await sleep(20);
  await workers.stop();
  const reason = 'the metadata was replaced by an older one';
  assert.deepEqual([failures.get('sweep'), failures.get('reclaim')], [reason, reason]);
  assert.deepEqual(
    touched.filter((name) => ['list', 'dueRemovals', 'unaccounted', 'condemnBlobs'].includes(name)),
    [],
  );
});
