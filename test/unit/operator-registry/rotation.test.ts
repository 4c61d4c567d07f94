import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AuthorityPeriods,
  type AuthorityStep,
  authorityLife,
  authorityStep,
  isDue,
  leafLife,
  leafReason,
  type Period,
  spread,
  validity,
} from '../../../src/operator/registry/tls/rotation.ts';

const day = 24 * 3600 * 1000;
const start = Date.UTC(2026, 0, 1);

interface Named extends Period {
  readonly id: number;
}
interface World {
  current?: Named;
  next?: Named;
  previous?: Named;
}

/** Takes every step that is due, as the operator does at each visit. */
function visit(world: World, now: Date, newId: () => number): World {
  let at = world;
  for (let round = 0; round < 4; round++) {
    const step = authorityStep(at as AuthorityPeriods, now);
    if (step === 'none') return at;
    const made = (): Named => ({ ...validity(now, authorityLife), id: newId() });
    at = steps[step](at, made);
  }
  return at;
}

const steps: Record<Exclude<AuthorityStep, 'none'>, (at: World, made: () => Named) => World> = {
  create: (_, made) => ({ current: made() }),
  announce: (at, made) => ({ ...at, next: made() }),
  promote: ({ current, next }) => ({ ...(next && { current: next }), ...(current && { previous: current }) }),
  forget: ({ previous: _, ...rest }) => rest,
};

function bundle({ current, next, previous }: World): number[] {
  return [current, next, previous].flatMap((each) => (each === undefined ? [] : [each.id]));
}

test('over thirty years a client that fetched the bundle within a week verifies every certificate that is served', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 40, maxLength: 60 }), (gaps) => {
      let ids = 0;
      let world: World = {};
      let leaf: { issuer: number; period: Period } | undefined;
      const fetched: { at: number; trusted: number[] }[] = [];
      let gap = 0;
      for (let at = start; at < start + 30 * 365 * day; at += (gaps[gap++ % gaps.length] ?? 1) * day) {
        const now = new Date(at);
        world = visit(world, now, () => ++ids);
        assert.ok(world.current !== undefined && now < world.current.notAfter, 'the signing authority is alive');
        const reason = leafReason(
          leaf && { ...leaf.period, signedByCurrent: leaf.issuer === world.current.id, missingNames: [] },
          now,
        );
        if (reason !== undefined) leaf = { issuer: world.current.id, period: validity(now, leafLife) };
        assert.ok(leaf !== undefined && now < leaf.period.notAfter, 'the served certificate is alive');
        assert.ok(bundle(world).includes(leaf.issuer), 'the newest bundle verifies it');
        const recent = fetched.filter((each) => at - each.at <= spread - day && each.at < at);
        for (const old of recent)
          assert.ok(old.trusted.includes(leaf.issuer), 'a bundle fetched this week verifies it');
        fetched.push({ at, trusted: bundle(world) });
      }
      assert.ok(ids >= 4, `authorities were rotated (${ids})`);
      assert.ok(bundle(world).length <= 3);
    }),
    { numRuns: 5 },
  );
});

test('an old authority is forgotten once nothing that it signed can be in use', () => {
  let ids = 0;
  let world: World = {};
  let longest = 0;
  let since: number | undefined;
  for (let at = start; at < start + 10 * 365 * day; at += day) {
    world = visit(world, new Date(at), () => ++ids);
    if (world.previous !== undefined) since ??= at;
    else if (since !== undefined) {
      longest = at - since;
      since = undefined;
    }
  }
  assert.equal(ids, 2);
  assert.ok(longest >= leafLife && longest <= leafLife + 2 * day, `kept for ${longest / day} days`);
});

test('an operator that was away past the end of everything starts over without a gap', () => {
  let ids = 0;
  const old = visit({}, new Date(start), () => ++ids);
  const later = new Date(start + 11 * 365 * day);
  const world = visit(old, later, () => ++ids);
  assert.ok(world.current !== undefined && later < world.current.notAfter);
});

test('a server certificate is issued anew for each of its reasons, and else never', () => {
  const now = new Date(start);
  const fresh = { ...validity(now, leafLife), signedByCurrent: true, missingNames: [] };
  assert.equal(leafReason(fresh, now), undefined);
  assert.equal(leafReason(fresh, new Date(start + 59 * day)), undefined);
  assert.match(leafReason(fresh, new Date(start + 60 * day)) ?? '', /two thirds/);
  assert.match(leafReason({ ...fresh, signedByCurrent: false }, now) ?? '', /authority/);
  assert.match(leafReason({ ...fresh, missingNames: ['10.0.0.9'] }, now) ?? '', /10\.0\.0\.9/);
  assert.match(leafReason(undefined, now) ?? '', /none/);
  assert.equal(isDue(fresh, new Date(start + 30 * day)), false);
});
