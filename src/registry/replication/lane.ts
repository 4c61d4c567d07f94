import type { Decision } from '../../domain/replication/decide.ts';
import { retryWait } from '../../domain/replication/retry.ts';
import { selectsName } from '../../domain/replication/select.ts';
import { opensIn } from '../../domain/replication/window.ts';
import { isTransferError } from '../../transfer/errors.ts';
import type { CopyRow } from '../metadata/replicating.ts';
import { Breaker } from './breaker.ts';
import type { Finding } from './comparison.ts';
import type { RuleContext } from './context.ts';
import { type CopyWatch, copyReferrersOf, copyTag } from './copy-tag.ts';
import { failureOf } from './failure.ts';
import { type Errand, type Item, keyOf, Pending } from './pending.ts';
import type { Place } from './places.ts';
import { decideTag, policyOf } from './question.ts';
import { type Look, lookAt, type Seen, stands, stillGood, told } from './seen.ts';
import type { ListedTag, Side } from './side.ts';
import { sided } from './sided.ts';
import { nameAt } from './target.ts';
import { Traffic } from './traffic.ts';

export interface LaneOptions {
  readonly context: RuleContext;
  readonly place: Place;
  /** Aborted when the rule changes, is suspended or goes: everything ends within a second. */
  readonly signal: AbortSignal;
  /** Bytes sent so far, of earlier processes too. */
  readonly bytesBefore: number;
  /** Something happened that people may want to know. */
  onProgress(): void;
  /** A tag is gone at the source: what becomes of it is for a comparison to say. */
  onGone(): void;
  onFailure(reason: string): void;
  onBytes(bytes: number): void;
}

/** Errands that are remembered for one target. */
const mostPending = 100_000;
/**
 * Images that are on their way to one target at once. What they move is limited by the rule's and the hosts' limits on blobs; this
 * is for the questions and answers in between, which take the time of a link and nothing of what it carries.
 */
const leastAtOnce = 16;
/** Errands that keep what the comparison saw of them. */
const mostSeen = 500;

/** Brings to one target what it lacks, errand by errand; what fails is tried again and does not keep the others. */
export class Lane {
  readonly place: Place;
  readonly pending = new Pending(mostPending);
  readonly breaker: Breaker;
  readonly traffic: Traffic;
  /** Tags that somebody else moved, by key. */
  readonly conflicts = new Map<string, Errand>();
  /** When the target last had all that it should, milliseconds since the epoch. */
  lastSuccess: number | undefined;
  /** Since when it is not known what it lacks, because it could not be compared; milliseconds since the epoch. */
  blindSince: number | undefined;
  /** When a comparison with it last failed. */
  failedCompares = Number.NEGATIVE_INFINITY;
  #compared = false;
  readonly #options: LaneOptions;
  readonly #atOnce: number;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(options: LaneOptions) {
    const { context, place, signal, bytesBefore } = options;
    const { rule } = context.loaded;
    this.#options = options;
    this.place = place;
    this.#atOnce = Math.max(leastAtOnce, rule.concurrency);
    this.breaker = new Breaker({ waits: rule.retry, now: context.now, chance: context.chance });
    this.traffic = new Traffic(bytesBefore, options.onBytes);
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /** @param since when it came up, milliseconds since the epoch */
  add(errand: Errand, since: number): void {
    this.pending.add(errand, since);
    this.#pump();
  }

  /** Adds what a comparison found. */
  addFound({ repository, tag, seen }: Finding, since: number): void {
    const keeps = seen !== undefined && this.pending.waiting < mostSeen;
    this.add({ repository, what: { tag }, ...(keeps && { seen }) }, since);
  }

  /** Tries what failed at once. */
  hurry(): void {
    this.pending.ripen();
    this.breaker.reset();
    this.#pump();
  }

  /** Resolves when no errand is being worked on. */
  async ended(): Promise<void> {
    if (this.pending.running === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }

  /** A comparison is over: what waits now is all that is missing. */
  noteCompared(): void {
    this.#compared = true;
    this.blindSince = undefined;
    this.#noteSuccess();
  }

  compareFailed(now: number): void {
    this.failedCompares = now;
    this.blindSince ??= now;
  }

  /** Since when there is something that it may lack, milliseconds since the epoch. */
  get lagSince(): number | undefined {
    const oldest = this.pending.oldestSince();
    return this.blindSince === undefined ? oldest : Math.min(oldest ?? this.blindSince, this.blindSince);
  }

  /** Notes whether a tag is in conflict. */
  judge(repository: string, tag: string, decision: Decision): void {
    const errand = { repository, what: { tag } };
    if (decision.action === 'conflict') this.conflicts.set(keyOf(errand), errand);
    else this.conflicts.delete(keyOf(errand));
  }

  #pump(): void {
    const { context, signal } = this.#options;
    const { rule } = context.loaded;
    clearTimeout(this.#timer);
    if (signal.aborted || rule.dryRun) return;
    const now = context.now();
    const { sourceBreaker } = context;
    const tried = Math.max(this.breaker.openUntil, sourceBreaker.openUntil);
    const closed = Math.max(tried - now, rule.window === undefined ? 0 : opensIn(rule.window, now));
    if (closed <= 0) this.#takeDue(now, Math.min(this.#atOnce, this.breaker.most, sourceBreaker.most));
    const due = closed > 0 ? now + closed : this.pending.nextDue();
    if (due !== undefined) this.#later(due - now);
  }

  #takeDue(now: number, most: number): void {
    while (this.pending.running < most) {
      const item = this.pending.take(now);
      if (item === undefined) return;
      void this.#work(item);
    }
  }

  #later(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#pump(), Math.min(Math.max(milliseconds, 20), 60_000)).unref();
  }

  /** Never rejects. */
  async #work(item: Item): Promise<void> {
    const { context, signal, onProgress } = this.#options;
    try {
      await this.#do(item);
      this.breaker.succeeded();
      context.sourceBreaker.succeeded();
      this.pending.done(item, context.now());
      this.#noteSuccess();
    } catch (error) {
      if (signal.aborted) this.pending.putBack(item);
      else this.#fail(item, error);
    }
    onProgress();
    this.#pump();
    if (this.pending.running === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #fail(item: Item, error: unknown): void {
    const { context, onFailure } = this.#options;
    const { retry } = context.loaded.rule;
    const now = context.now();
    const failure = failureOf(error, now);
    const ofSource = isTransferError(error) && error.side === 'source';
    const ofHost = ofSource ? context.sourceBreaker.failed(error) : this.breaker.failed(error);
    const asked = isTransferError(error) ? (error.retryAfterMs ?? 0) : 0;
    // What only changes at one of the ends, or by somebody's hand, is looked at with the longest wait.
    const wait = failure.course === 'retry' ? retryWait(retry, item.failures + 1, context.chance(), asked) : retry.max;
    this.pending.failed(item, failure, ofHost ? now : now + wait);
    onFailure(failure.reason);
    const { name } = context.loaded;
    const { text: target } = this.place;
    context.log.warn(
      { rule: name, target, reference: item.key, reason: failure.reason, err: error },
      'a copy failed; it is tried again',
    );
  }

  async #do(item: Item): Promise<void> {
    const { repository, what } = item;
    if ('tag' in what)
      return await this.#doTag(repository, what.tag, stillGood(item.seen, this.#options.context.now()));
    const { context, place } = this.#options;
    const to = nameAt(place, context.loaded.rule, repository);
    const image = { from: repository, to, target: place.side, subject: what.subject };
    await this.traffic.during((watch) => copyReferrersOf(context, image, watch), this.#options.signal);
  }

  async #doTag(repository: string, tag: string, seen: Seen | undefined): Promise<void> {
    const { context } = this.#options;
    const { rule, name } = context.loaded;
    if (!selectsName(rule.tags, tag)) return;
    const to = nameAt(this.place, rule, repository);
    const [from, there] = await this.#look({ repository, tag, to, seen });
    const [copy] = await context.metadata.copiesOf(name, this.place.text, [{ repository, tag }]);
    const returns = context.returns({ repository, target: this.place.text, name: to, source: from, listing: there });
    const views = { source: from.tag, target: there.tag, copy };
    const decision = decideTag(views, policyOf(rule, returns, context.now()));
    this.judge(repository, tag, decision);
    const holds = seen?.holds === true && seen.source.tag?.digest === from.tag?.digest;
    await this.#carryOut(decision, { repository, tag, to, source: from.tag, there: there.tag, holds });
  }

  /** Its own tags a registry looks at anew: that costs nothing. */
  async #look({ repository, tag, to, seen }: ToLookAt): Promise<[Look, Look]> {
    const { context, signal } = this.#options;
    const { source, loaded } = context;
    const look = async (side: Side, name: string) => lookAt(await side.look(name, [tag], signal), tag);
    return await Promise.all([
      (source.own ? undefined : told(seen?.source)) ?? sided('source', look(source, repository)),
      (this.place.side.own ? undefined : stands(seen?.target, loaded.rule.onConflict)) ??
        sided('target', look(this.place.side, to)),
    ]);
  }

  async #carryOut(decision: Decision, { repository, tag, to, source, there, holds }: Found): Promise<void> {
    const { context, signal, onGone } = this.#options;
    if (decision.action === 'copy' && source?.digest !== undefined) {
      const errand = {
        from: repository,
        to,
        target: this.place.side,
        source: { ...source, digest: source.digest },
        before: there?.deleted === undefined ? there?.digest : undefined,
        holds,
        decision,
      };
      await this.traffic.during((watch: CopyWatch) => copyTag(context, errand, watch), signal);
      await this.#remember(repository, tag, source);
    } else if (decision.action === 'note' && source?.digest !== undefined && source.deleted === undefined) {
      await this.#remember(repository, tag, source);
    } else if (source === undefined || source.deleted !== undefined) onGone();
  }

  async #remember(repository: string, tag: string, { digest, referrers }: ListedTag): Promise<void> {
    const { metadata, loaded, now } = this.#options.context;
    if (digest === undefined) return;
    const row: CopyRow = { repository, tag, digest, copiedAt: now(), ...(referrers && { referrers }) };
    await metadata.putCopies(loaded.name, this.place.text, [row]);
  }

  #noteSuccess(): void {
    if (this.#compared && this.blindSince === undefined && this.pending.size === 0)
      this.lastSuccess = this.#options.context.now();
  }
}

interface Found {
  readonly repository: string;
  readonly tag: string;
  /** The repository at the target. */
  readonly to: string;
  readonly source: ListedTag | undefined;
  readonly there: ListedTag | undefined;
  /** The target is known to have the image. */
  readonly holds: boolean;
}

interface ToLookAt extends Pick<Found, 'repository' | 'tag' | 'to'> {
  readonly seen: Seen | undefined;
}
