import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Arrivals } from '../../../src/registry/storage/s3/arrivals.ts';

const steps = fc.array(
  fc.oneof(
    fc.record({ read: fc.integer({ min: 1, max: 131_072 }) }),
    fc.record({ add: fc.integer({ min: 1, max: 70_000 }) }),
    fc.record({ lend: fc.integer({ min: 1, max: 200_000 }) }),
  ),
  { maxLength: 60 },
);

test('what arrives is lent whole and in order, and stays as it is until the next is asked for', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const arrivals = new Arrivals();
      const sent: Buffer[] = [];
      const received: Buffer[] = [];
      let lent: Buffer | undefined;
      const takeLent = () => {
        received.push(Buffer.from(lent ?? ''));
        lent = undefined;
      };
      // Node asks for the room right after each read, and writes there as soon as it is open.
      let room = arrivals.room();
      for (const step of taken) {
        if ('lend' in step) {
          takeLent();
          lent = arrivals.lend(step.lend);
        } else if ('add' in step) {
          const chunk = randomBytes(step.add);
          sent.push(Buffer.from(chunk));
          arrivals.add(chunk);
          room = arrivals.room();
        } else if (arrivals.open) {
          const length = Math.min(step.read, room.length);
          const bytes = randomBytes(length);
          bytes.copy(room);
          sent.push(bytes);
          arrivals.filled(length);
          room = arrivals.room();
        }
      }
      do {
        takeLent();
        lent = arrivals.lend(1_000_000);
      } while (lent !== undefined);
      assert.ok(arrivals.empty);
      assert.ok(Buffer.concat(sent).equals(Buffer.concat(received)));
    }),
    { numRuns: 60 },
  );
});
