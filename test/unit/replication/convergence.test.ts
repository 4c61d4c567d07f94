import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { decide, type KnownCopy, type TagState } from '../../../src/domain/replication/decide.ts';
import { isNewer } from '../../../src/domain/replication/version.ts';

type Known = TagState & { version: number; origin: string };

/** One tag of a registry that counts versions as the stores do. */
class Registry {
  readonly name: string;
  state: Known | undefined;
  events = 0;

  constructor(name: string) {
    this.name = name;
  }

  set(change: { digest: Digest } | 'deleted'): void {
    if (change === 'deleted' && (this.state === undefined || this.state.deleted)) return;
    const version = (this.state?.version ?? 0) + 1;
    const digest = change === 'deleted' ? (this.state as Known).digest : change.digest;
    this.#become({ digest, version, origin: this.name, ...(change === 'deleted' && { deleted: 'deleted' as const }) });
  }

  /** What comes from another registry counts only where it is newer. */
  apply(state: Known): boolean {
    if (this.state !== undefined && !isNewer(state, this.state)) return false;
    this.#become(state);
    return true;
  }

  #become(state: Known): void {
    this.state = state;
    this.events += 1;
  }
}

/** A rule from one registry to another, with what it remembers. */
class Rule {
  #copy: KnownCopy | undefined;
  readonly #source: Registry;
  readonly #target: Registry;
  requests = 0;

  constructor(source: Registry, target: Registry) {
    this.#source = source;
    this.#target = target;
  }

  /** @returns whether there was anything to do */
  compare(now: number): boolean {
    const [source, target] = [this.#source.state, this.#target.state];
    const policy = { onConflict: 'Override', returns: true, deletionDelay: 0, referrers: false, now } as const;
    const decision = decide({ source, target, copy: this.#copy }, policy);
    switch (decision.action) {
      case 'copy':
        assert.ok(decision.versioned, 'where changes come back nothing is forced');
        if (this.#target.apply(source as Known)) this.#copy = { digest: (source as Known).digest };
        return true;
      case 'delete':
        assert.ok(decision.versioned);
        if (this.#target.apply(source as Known)) this.#copy = undefined;
        return true;
      case 'note':
        this.#copy = {
          digest: (target as Known).digest,
          ...(decision.missingSince !== undefined && { missingSince: decision.missingSince }),
        };
        return decision.missingSince !== undefined;
      case 'forget':
        this.#copy = undefined;
        return false;
      default:
        return false;
    }
  }
}

const fresh = `sha256:${'f'.repeat(64)}` as Digest;
const digests = ['1', '2', '3'].map((letter) => `sha256:${letter.repeat(64)}` as Digest);
const step = fc.oneof(
  fc.record({ at: fc.constantFrom(0, 1), push: fc.constantFrom(...digests) }),
  fc.record({ at: fc.constantFrom(0, 1), drop: fc.constant(true) }),
  fc.record({ rule: fc.constantFrom(0, 1) }),
);

function live({ state }: Registry): Digest | undefined {
  return state === undefined || state.deleted ? undefined : state.digest;
}

/** What is pushed next, on whichever side, stands. */
function requireNext(where: Registry, registries: readonly Registry[], rules: readonly Rule[]): void {
  where.set({ digest: fresh });
  for (let round = 0; round < 4; round++) for (const rule of rules) rule.compare(6000 + round);
  assert.deepEqual(registries.map(live), [fresh, fresh]);
}

test('two registries that copy from each other come to the newest state, and then are silent', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.constantFrom(0, 1), (steps, last) => {
      const registries = [new Registry('a'), new Registry('b')] as const;
      const rules = [new Rule(registries[0], registries[1]), new Rule(registries[1], registries[0])] as const;
      for (const [now, one] of steps.entries()) {
        if ('rule' in one) rules[one.rule as 0 | 1].compare(now);
        else registries[one.at as 0 | 1].set('push' in one ? { digest: one.push } : 'deleted');
      }
      const newest = registries
        .map(({ state }) => state)
        .reduce((x, y) => (x === undefined || (y !== undefined && isNewer(y, x)) ? y : x), undefined);
      let rounds = 0;
      for (let busy = true; busy; rounds++) {
        busy = rules.map((rule) => rule.compare(1000 + rounds)).some(Boolean);
        assert.ok(rounds < 8, 'it does not come to rest');
      }
      assert.equal(live(registries[0]), live(registries[1]));
      assert.equal(live(registries[0]), newest?.deleted ? undefined : newest?.digest);
      const events = registries.map((registry) => registry.events);
      for (const rule of rules) rule.compare(5000);
      assert.deepEqual(
        registries.map((registry) => registry.events),
        events,
      );
      if (live(registries[0]) !== undefined) requireNext(registries[last], registries, rules);
    }),
    { numRuns: 3000 },
  );
});
