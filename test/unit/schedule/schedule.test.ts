import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextTime } from '../../../src/domain/schedule.ts';

const at = (text: string) => Date.parse(text);

test('five fields are read in UTC, and nicknames too', () => {
  const after = at('2026-03-01T02:30:00Z');
  const cases: [string, string][] = [
    ['0 3 * * *', '2026-03-01T03:00:00Z'],
    ['30 2 * * *', '2026-03-02T02:30:00Z'],
    ['*/20 * * * *', '2026-03-01T02:40:00Z'],
    ['0 0 * * MON', '2026-03-02T00:00:00Z'],
    ['@hourly', '2026-03-01T03:00:00Z'],
    ['@daily', '2026-03-02T00:00:00Z'],
  ];
  for (const [schedule, wanted] of cases) assert.equal(nextTime(schedule, after), at(wanted), schedule);
});

test('the next time is always later, and on the minute', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 4e12 }), (minute, after) => {
      const next = nextTime(`${minute} * * * *`, after);
      assert.ok(next > after && next <= after + 3_600_000 && next % 60_000 === 0);
    }),
  );
});

test('what is no schedule is refused with the reason', () => {
  for (const schedule of ['', '61 * * * *', '* * * *', '0 0 3 * * *', 'at night', '2020-01-01T00:00:00Z', '0 0 31 2 *'])
    assert.throws(() => nextTime(schedule, at('2026-01-01T00:00:00Z')), RangeError, schedule);
});
