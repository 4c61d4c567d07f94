import type { Digest } from '../../domain/oci/digest.ts';
import type { Seen } from './seen.ts';

/** Something of one repository that a target may not have yet. */
export interface Errand {
  /** The source's name. */
  readonly repository: string;
  /** A tag, or the image whose referrers may have changed. */
  readonly what: { readonly tag: string } | { readonly subject: Digest };
  /** What was seen of the tag a moment ago. */
  readonly seen?: Seen;
}

/** One errand on its way. */
export interface Item extends Omit<Errand, 'seen'> {
  readonly key: string;
  /** Good for one attempt. */
  seen?: Seen;
  /** Milliseconds since the epoch: since when the target may lack it. */
  since: number;
  /** Attempts that failed in a row. */
  failures: number;
  /** Not to be tried before. */
  notBefore: number;
  failure?: Failure;
  /** It came up again while it was being worked on. */
  again: boolean;
}

export interface Failure {
  readonly reason: string;
  readonly message: string;
  readonly at: number;
  readonly course: 'retry' | 'wait' | 'stalled';
}

/** What waits for one target, each errand once, in the order it came up; what failed waits for its time. */
export class Pending {
  readonly #ready = new Map<string, Item>();
  readonly #delayed = new Map<string, Item>();
  readonly #running = new Map<string, Item>();
  readonly #most: number;
  /** More came up than can be remembered: only a comparison finds all of it. */
  overflown = false;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#ready.size + this.#delayed.size + this.#running.size;
  }

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#ready.size;
  }

  /** Whatever failed before is tried at once: something has changed. */
  add(errand: Errand, since: number): void {
    const key = keyOf(errand);
    const running = this.#running.get(key);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const ready = this.#ready.get(key);
    if (ready !== undefined) {
      look(ready, errand.seen);
      return;
    }
    const delayed = this.#delayed.get(key);
    if (delayed !== undefined) {
      look(delayed, errand.seen);
      this.#ripen(delayed);
    } else if (this.size >= this.#most) this.overflown = true;
    else this.#ready.set(key, { ...errand, key, since, failures: 0, notBefore: 0, again: false });
  }

  /** The next one that is due, which is then being worked on. */
  take(now: number): Item | undefined {
    for (const item of this.#delayed.values()) if (item.notBefore <= now) this.#ripen(item);
    const [item] = this.#ready.values();
    if (item === undefined) return undefined;
    this.#ready.delete(item.key);
    this.#running.set(item.key, item);
    item.again = false;
    return item;
  }

  /** It is done, unless it came up again meanwhile. */
  done(item: Item, now: number): void {
    this.#running.delete(item.key);
    if (!item.again) return;
    const { seen: _, ...rest } = item;
    this.#ready.set(item.key, { ...rest, since: now, failures: 0, again: false });
  }

  /** It was not done, for no fault of its own. */
  putBack(item: Item): void {
    this.#running.delete(item.key);
    this.#ready.set(item.key, item);
  }

  failed(item: Item, failure: Failure, notBefore: number): void {
    this.#running.delete(item.key);
    item.failures += 1;
    item.failure = failure;
    look(item, undefined);
    item.notBefore = item.again ? failure.at : notBefore;
    this.#delayed.set(item.key, item);
  }

  /** Everything that failed is due now. */
  ripen(): void {
    for (const item of [...this.#delayed.values()]) this.#ripen(item);
  }

  /** When the next one is due that waits for its time. */
  nextDue(): number | undefined {
    let next: number | undefined;
    for (const { notBefore } of this.#delayed.values()) if (next === undefined || notBefore < next) next = notBefore;
    return next;
  }

  oldestSince(): number | undefined {
    let oldest: number | undefined;
    for (const item of this.#all()) if (oldest === undefined || item.since < oldest) oldest = item.since;
    return oldest;
  }

  /** Those whose last attempt failed. */
  *failing(): Generator<Item> {
    for (const item of this.#all()) if (item.failure !== undefined) yield item;
  }

  *#all(): Generator<Item> {
    yield* this.#delayed.values();
    yield* this.#running.values();
    yield* this.#ready.values();
  }

  #ripen(item: Item): void {
    this.#delayed.delete(item.key);
    this.#ready.set(item.key, item);
  }
}

/** What was seen last counts; something that happened since makes it worthless. */
function look(item: Item, seen: Seen | undefined): void {
  if (seen === undefined) delete item.seen;
  else item.seen = seen;
}

export function keyOf({ repository, what }: Errand): string {
  return `${repository}${'tag' in what ? `:${what.tag}` : `@${what.subject}`}`;
}
