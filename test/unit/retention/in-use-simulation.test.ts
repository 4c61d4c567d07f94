/**
 * Nothing that a cluster uses ever expires, and nearly all that may go does: random histories of forty clusters, of which one in
 * twenty is away, with clocks five minutes off, rollouts, rollbacks, scaling to zero, moved tags, late and lost reports, and kills.
 * `NE_HISTORIES` is how many, `NE_HISTORY_SEED` which is the first.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actionsOf, inWords, type Outcome, play, type Setting, shrink } from './simulation/history.ts';

const histories = Number(process.env.NE_HISTORIES ?? 100);
const firstSeed = Number(process.env.NE_HISTORY_SEED ?? 1);

function settingOf(seed: number, more: Partial<Setting> = {}): Setting {
  return { seed, clusters: 40, actions: 100, durablePulls: true, ...more };
}

/** The first of some histories that goes wrong. */
function firstViolation({ from, to }: { from: number; to: number }, more: Partial<Setting>): Setting | undefined {
  for (let seed = from; seed <= to; seed++) {
    const setting = settingOf(seed, more);
    if (play(setting, actionsOf(setting)).violation !== undefined) return setting;
  }
  return undefined;
}

function story(setting: Setting): string {
  const shortest = shrink(setting, actionsOf(setting));
  return `seed ${setting.seed}: ${play(setting, shortest).violation?.text}\n${inWords(shortest)}`;
}

test('no image in use is ever expired, and at least 95 % of the bytes that may go do go', (context) => {
  let [mayGo, went, unused, expired] = [0, 0, 0, 0];
  for (let seed = firstSeed; seed < firstSeed + histories; seed++) {
    const setting = settingOf(seed);
    const outcome: Outcome = play(setting, actionsOf(setting));
    if (outcome.violation !== undefined) assert.fail(story(setting));
    mayGo += outcome.mayGo;
    went += outcome.went;
    unused += outcome.unused;
    expired += outcome.expired;
  }
  const share = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
  context.diagnostic(
    `${histories} histories: ${share(went, mayGo)} of what may go went, ${share(went, unused)} of what nobody uses`,
  );
  context.diagnostic(`${expired} units expired, of them ${went} at the end`);
  assert.ok(mayGo > 0 && went >= 0.95 * mayGo, `${went} of ${mayGo}`);
});

test('the simulation sees an image in use go: where nothing is kept, it finds that at once', () => {
  const setting = firstViolation({ from: 1, to: 20 }, { blind: true });
  assert.ok(setting !== undefined, 'nothing went wrong, and it should have');
  assert.match(story(setting), /is in use by cluster-/);
});

test('a pull has to be written before it is answered: half a minute later, a kill lets a running image expire', () => {
  // One history in some hundred; where the model is changed, another one of them.
  const setting = firstViolation({ from: 250, to: 300 }, { durablePulls: false });
  assert.ok(setting !== undefined, 'nothing went wrong, and it should have');
  assert.match(story(setting), /kill the registry/);
});
