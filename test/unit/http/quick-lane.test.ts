/** Answers on the quick path count among what an address has in flight, for as long as they are not taken. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Admission } from '../../../src/registry/http/admission.ts';
import type { Rooms } from '../../../src/registry/http/api.ts';
import { QuickLane } from '../../../src/registry/http/quick-lane.ts';

/** A connection whose other side takes nothing until it is told to. */
class Line extends Duplex {
  taken = '';
  #waiting: (() => void) | undefined;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken += chunk.toString('latin1');
    this.#waiting = done;
  }
  setTimeout(): this {
    return this;
  }
  /** The other side takes what there is. */
  async accept(): Promise<void> {
    while (this.#waiting !== undefined) {
      const done = this.#waiting;
      this.#waiting = undefined;
      done();
      await turn();
    }
  }
}

const admission = new Admission();
const bytes = Buffer.alloc(100_000, ' ');
const row = { digest: `sha256:${'a'.repeat(64)}`, mediaType: 'text/plain', size: bytes.byteLength, pushedAt: 0, bytes };
const configuration = {};
const rooms = {
  admission,
  metadata: { manifest: () => row, manifestBytes: () => row },
  blobs: { shared: false },
  gate: { identify: () => ({ name: 'tester' }), allows: () => true },
  callerOf: () => ({ address: '192.0.2.1' }),
  settings: () => ({ limits: { concurrentRequests: 1, concurrentUploads: 0 } }),
  configuration: () => configuration,
  pulls: { note: () => undefined },
  log: { debug: () => undefined, error: () => undefined },
  observe: () => undefined,
  now: () => Date.now(),
} as unknown as Rooms;

test('an answer that is not taken counts until it is, or until its connection closes', async () => {
  const lane = new QuickLane(rooms, { first: 1000, keepAlive: 1000 });
  let handedOver = 0;
  const ask = async (): Promise<Line> => {
    const line = new Line();
    lane.take(line as unknown as Socket, () => {
      handedOver += 1;
    });
    line.push('GET /v2/team/app/manifests/v1 HTTP/1.1\r\nHost: registry\r\n\r\n');
    await turn();
    return line;
  };
  const first = await ask();
  assert.match(first.taken, /^HTTP\/1\.1 200 OK/);
  await ask();
  assert.equal(handedOver, 1, 'a second one was let in beside the one that nobody takes');
  await first.accept();
  const third = await ask();
  assert.match(third.taken, /^HTTP\/1\.1 200 OK/);
  third.destroy();
  await turn();
  assert.match((await ask()).taken, /^HTTP\/1\.1 200 OK/);
  assert.equal(handedOver, 1);
});
