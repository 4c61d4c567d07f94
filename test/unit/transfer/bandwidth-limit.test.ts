import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { BandwidthLimit } from '../../../src/transfer/http/bandwidth-limit.ts';

const signal = () => new AbortController().signal;

async function* chunks(count: number, size: number): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(size);
  for (let sent = 0; sent < count; sent++) yield chunk;
}

async function drain(stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Counts the milliseconds for which timers were later than any that has nothing but other work of this process before it. */
function watchPauses(): { stop(): number } {
  let [lost, last] = [0, performance.now()];
  const timer = setInterval(() => {
    const now = performance.now();
    lost += Math.max(0, now - last - 50);
    last = now;
  }, 10);
  return {
    stop: () => {
      clearInterval(timer);
      return lost;
    },
  };
}

describe('a bandwidth limit', () => {
  it('is the limit of all transfers together, within five per cent', async () => {
    const rate = 8_000_000;
    const limit = new BandwidthLimit(rate);
    const started = performance.now();
    const pauses = watchPauses();
    const sizes = [
      [160, 40_000],
      [25, 256_000],
      [640, 10_000],
      [1, 6_400_000],
    ] as const;
    const moved = await Promise.all(sizes.map(([count, size]) => drain(limit.passing(chunks(count, size), signal()))));
    const seconds = (performance.now() - started) / 1000;
    const total = moved.reduce((sum, bytes) => sum + bytes, 0);
    assert.equal(total, 25_600_000);
    const measured = total / seconds;
    assert.ok(measured <= rate * 1.05, `${measured} bytes/s`);
    // What passes while the machine does something else is not saved up.
    const awake = total / (seconds - pauses.stop() / 1000);
    assert.ok(awake >= rate * 0.95, `${measured} bytes/s, ${awake} while this ran`);
  });

  it('saves nothing up while nothing is sent', async () => {
    let now = 0;
    const limit = new BandwidthLimit(1000, () => now);
    now = 3_600_000;
    const stopped = AbortSignal.timeout(50);
    // A tenth of a second's bytes are there at once, not an hour's.
    await limit.take(100, stopped);
    await assert.rejects(limit.take(5000, stopped), (error) => isTransferError(error, 'Cancelled'));
  });

  it('ends a wait within a moment of its cancelling, and leaves its share to the others', async () => {
    const limit = new BandwidthLimit(1000, () => 1_000_000);
    const cancel = new AbortController();
    const outcomes: unknown[] = [];
    limit.take(60_000, cancel.signal).catch((error: unknown) => outcomes.push(error));
    cancel.abort();
    await turn();
    assert.ok(isTransferError(outcomes[0], 'Cancelled'), String(outcomes[0]));
    // A tenth of a second's bytes are there at once, a minute's would not be.
    void limit.take(50, signal()).then(() => outcomes.push('taken'));
    await turn();
    assert.equal(outcomes[1], 'taken');
  });

  it('takes another rate from the next chunk on', async () => {
    const limit = new BandwidthLimit(1);
    limit.bytesPerSecond = 1e9;
    await limit.take(1_000_000, AbortSignal.timeout(30_000));
    assert.throws(() => {
      limit.bytesPerSecond = 0;
    }, RangeError);
  });
});
