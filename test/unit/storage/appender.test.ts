/** How a body reaches its file: in few writes where it comes fast, soon where it does not. */
import assert from 'node:assert/strict';
import type { FileHandle } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Appender } from '../../../src/registry/storage/filesystem/appender.ts';
import { Session } from '../../../src/registry/storage/filesystem/session.ts';
import { Space } from '../../../src/registry/storage/filesystem/space.ts';

const chunk = 64 * 1024;

/** A file that notes its writes; each takes `delay` milliseconds, and fails from `full` bytes on. */
function notedFile({ delay = 0, full = Number.POSITIVE_INFINITY } = {}) {
  const writes: number[] = [];
  const written = () => writes.reduce((sum, bytes) => sum + bytes, 0);
  const writev = async (chunks: Uint8Array[]) => {
    await sleep(delay);
    if (written() >= full) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    writes.push(bytes);
    return { bytesWritten: bytes };
  };
  const file = { writev, datasync: async () => undefined, stat: async () => ({ size: written() }) };
  return { writes, written, session: new Session('id', file as unknown as FileHandle, 0) };
}

const share = { gather: 4 * chunk };
const appender = (session: Session) => new Appender(session, new Space('/', 0), share, { offset: 0 });

async function* body(count: number, pause = 0, before: () => void = () => undefined): AsyncGenerator<Uint8Array> {
  for (let number = 0; number < count; number++) {
    if (pause > 0) await sleep(pause);
    before();
    yield new Uint8Array(chunk);
  }
}

test('what comes fast is written in pieces of the share', async () => {
  const { writes, session } = notedFile();
  await appender(session).run(body(10), undefined);
  assert.deepEqual(writes, [4 * chunk, 4 * chunk, 2 * chunk]);
  assert.equal(session.size, 10 * chunk);
});

test('what comes slowly is not kept in memory', async () => {
  const { written, session } = notedFile();
  async function* slowly(): AsyncGenerator<Uint8Array> {
    for (let number = 0; number < 4; number++) {
      // Nothing comes until what came before is written.
      for (let tries = 0; written() < number * chunk; tries++) {
        assert.ok(tries < 3000, `${written()} of ${number * chunk} bytes are written`);
        await sleep(10);
      }
      yield new Uint8Array(chunk);
    }
  }
  await appender(session).run(slowly(), undefined);
  assert.equal(written(), 4 * chunk);
});

test('no more than twice the share waits for a slow disk', async () => {
  const { written, session } = notedFile({ delay: 20 });
  let sent = 0;
  let most = 0;
  await appender(session).run(
    body(40, 0, () => {
      most = Math.max(most, sent - written());
      sent += chunk;
    }),
    undefined,
  );
  assert.ok(most <= 2 * share.gather, `${most} bytes`);
});

test('a client that sends byte by byte fills no memory while the disk is slow', async () => {
  const { written, session } = notedFile({ delay: 20 });
  let most = 0;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < 20_000; sent++) {
      most = Math.max(most, sent - written());
      yield new Uint8Array(1);
    }
  }
  await appender(session).run(bytes(), undefined);
  assert.ok(most <= 2 * 1024, `${most} chunks`);
  assert.equal(session.size, 20_000);
});

test('a write that failed ends the body, also where it was begun because nothing came', async () => {
  const { written, session } = notedFile({ full: 2 * chunk });
  let sent = 0;
  const running = appender(session).run(
    body(100, 20, () => sent++),
    undefined,
  );
  await assert.rejects(running, { code: 'ENOSPC' });
  assert.ok(sent < 10, `${sent} chunks were taken`);
  assert.equal(session.size, written());
});

test('what arrived of a body that broke off is written', async () => {
  const { written, session } = notedFile();
  const broken = async function* () {
    yield* body(2);
    throw new Error('cut');
  };
  await assert.rejects(appender(session).run(broken(), undefined), /cut/);
  assert.equal(written(), 2 * chunk);
});
