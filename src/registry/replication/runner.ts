import type { Digest } from '../../domain/oci/digest.ts';
import { guardDeletions } from '../../domain/replication/deletions.ts';
import { repositoryMatcher } from '../../domain/replication/repositories.ts';
import { retryWait } from '../../domain/replication/retry.ts';
import { needsTimes } from '../../domain/replication/select.ts';
import { nextTime } from '../../domain/schedule.ts';
import { parsePlatform } from '../../transfer/copy/platform.ts';
import { isTransferError } from '../../transfer/errors.ts';
import { BandwidthLimit } from '../../transfer/http/bandwidth-limit.ts';
import { Slots } from '../../transfer/registry/slots.ts';
import { Breaker } from './breaker.ts';
import { compare, type Finding, type RepositoryResult } from './comparison.ts';
import type { RuleContext } from './context.ts';
import { deleteFound } from './delete-tags.ts';
import type { LoadedRule } from './document.ts';
import { failureOf } from './failure.ts';
import { SharedReads } from './fan-out/shared-source.ts';
import { Lane } from './lane.ts';
import { Notes } from './notes.ts';
import { placesOf } from './places.ts';
import { type Fault, type Outlook, reported } from './report.ts';
import type { RunnerParts } from './runner-parts.ts';
import type { ReplicationState } from './state.ts';

/** Asked for again and again within this time, milliseconds, a comparison is made once. */
const settling = 1000;

/**
 * After the first comparison of a rule with a registry of this project there is a second one, milliseconds later: rules for both
 * directions are made one after the other, and only then do the registries know of each other that changes come back.
 */
const second = 8000;

/** One rule at work. */
export class RuleRunner {
  readonly loaded: LoadedRule;
  readonly lanes: readonly Lane[];
  readonly context: RuleContext;
  readonly #parts: RunnerParts;
  readonly #stopping = new AbortController();
  readonly #matches: (repository: string) => boolean;
  #timer: NodeJS.Timeout | undefined;
  #comparing: Promise<void> | undefined;
  /** When the next comparison is due, milliseconds since the epoch. */
  #dueAt: number;
  #deep = false;
  #failures = 0;
  #again = true;
  readonly #outlook: Outlook;
  #changed = true;

  constructor(loaded: LoadedRule, parts: RunnerParts, before: ReplicationState | undefined) {
    this.loaded = loaded;
    this.#parts = parts;
    const { rule } = loaded;
    const { source, targets } = placesOf(loaded, parts);
    this.context = {
      loaded,
      source,
      metadata: parts.stores.metadata,
      log: parts.log,
      slots: new Slots(rule.concurrency),
      bandwidth: rule.bandwidth === undefined ? undefined : new BandwidthLimit(rule.bandwidth),
      ledger: parts.ledger,
      platforms: rule.platforms.map(parsePlatform),
      sharing: source.own || targets.length === 1 ? undefined : new SharedReads(() => this.#busyLanes()),
      sourceBreaker: new Breaker({ waits: rule.retry, now: parts.now, chance: parts.chance }),
      now: parts.now,
      chance: parts.chance,
      returns: (question) => parts.returns(loaded, question),
    };
    this.#matches = repositoryMatcher(rule.source.path);
    this.lanes = targets.map((place) => {
      const known = before?.targets.find(({ target }) => target === place.text);
      const lane = new Lane({
        context: this.context.sharing ? { ...this.context, slots: new Slots(rule.concurrency) } : this.context,
        place,
        signal: this.#stopping.signal,
        bytesBefore: known?.bytesTransferred ?? 0,
        onProgress: () => this.#touch(),
        onGone: () => {
          if (rule.deletion !== undefined) this.#compareBy(parts.now() + settling);
        },
        onFailure: (reason) => parts.metrics.failed(loaded.name, reason),
        onBytes: (bytes) => parts.metrics.sent(loaded.name, place.text, bytes),
      });
      if (known?.lastSuccess !== undefined) lane.lastSuccess = Date.parse(known.lastSuccess);
      if (known?.oldestPendingSince !== undefined) lane.blindSince = Date.parse(known.oldestPendingSince);
      return lane;
    });
    this.#dueAt = parts.now();
    this.#outlook = {
      lastPlan: before?.lastPlan,
      nextSchedule: this.#scheduled(),
      halted: 0,
      kept: [],
      faults: [],
    };
  }

  /** Whether pushes to this registry are pushes to the source. */
  get follows(): boolean {
    const { onPush = true, suspend, dryRun } = this.loaded.rule;
    return this.context.source.own && onPush && !suspend && !dryRun;
  }

  start(): void {
    if (!this.loaded.rule.suspend) this.#plan();
  }

  /** Ends everything within a second, and resolves when nothing is left running. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the rule has changed, or the registry is stopping'));
    clearTimeout(this.#timer);
    await this.#comparing;
    await Promise.all(this.lanes.map((lane) => lane.ended()));
  }

  /** A tag of the source was set or deleted. @param origin identity of the registry where that was done, where not here */
  tagChanged({
    repository,
    tag,
    at,
    origin,
  }: {
    repository: string;
    tag: string;
    at: number;
    origin?: string | undefined;
  }): void {
    if (!this.#matches(repository)) return;
    // Which tags are the newest is a question about all of them.
    if (needsTimes(this.loaded.rule.tags)) {
      this.#compareBy(this.context.now() + settling);
      return;
    }
    for (const lane of this.lanes) {
      const fromThere = origin !== undefined && lane.place.side.identity === origin;
      if (!fromThere) lane.add({ repository, what: { tag } }, at);
    }
    this.#touch();
  }

  /** Something that refers to an image came. */
  referrerChanged({ repository, subject, at }: { repository: string; subject: Digest; at: number }): void {
    if (!this.loaded.rule.referrers || !this.#matches(repository)) return;
    for (const lane of this.lanes) lane.add({ repository, what: { subject } }, at);
    this.#touch();
  }

  /** Compares now, and looks at every tag. */
  runNow(): void {
    if (this.loaded.rule.suspend) return;
    this.#deep = true;
    this.retry();
    this.#compareBy(this.context.now());
  }

  /** Tries at once what failed. */
  retry(): void {
    if (this.loaded.rule.suspend) return;
    this.context.sourceBreaker.reset();
    for (const lane of this.lanes) lane.hurry();
  }

  /** What there is to tell, where that has changed since it was last asked for. */
  news(): ReplicationState | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    return reported(this.loaded, this.context.source, this.lanes, this.#outlook);
  }

  /** What `news` told is to be told again. */
  notKept(): void {
    this.#changed = true;
  }

  get halted(): number {
    return this.#outlook.halted;
  }

  #hasPeers(): boolean {
    const { source } = this.context;
    return (
      typeof source.identity === 'string' && this.lanes.some(({ place }) => typeof place.side.identity === 'string')
    );
  }

  #busyLanes(): number {
    const now = this.context.now();
    return this.lanes.filter(({ pending, breaker }) => pending.size > 0 && breaker.openUntil <= now).length;
  }

  #touch(): void {
    this.#changed = true;
    if (this.lanes.every(({ pending }) => pending.size === 0)) this.#parts.settled();
    const overflown = this.lanes.some(({ pending }) => pending.overflown && pending.size === 0);
    if (!overflown) return;
    for (const { pending } of this.lanes) pending.overflown = false;
    this.#compareBy(this.context.now());
  }

  #compareBy(at: number): void {
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    this.#plan();
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (this.#stopping.signal.aborted || this.loaded.rule.suspend || this.#comparing !== undefined) return;
    const wait = Math.min(Math.max(0, this.#dueAt - this.context.now()), 3_600_000);
    this.#timer = setTimeout(() => this.#compareIfDue(), wait).unref();
  }

  #compareIfDue(): void {
    if (this.#dueAt > this.context.now()) {
      this.#plan();
      return;
    }
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#comparing = this.#compare().finally(() => {
      this.#comparing = undefined;
      this.#touch();
      this.#plan();
    });
  }

  /** Never rejects. */
  async #compare(): Promise<void> {
    const { context } = this;
    const { signal } = this.#stopping;
    const deep = this.#deep;
    this.#deep = false;
    const notes = new Notes(context);
    const failures: Fault[] = [];
    const began = context.now();
    this.#outlook.nextSchedule = this.#scheduled();
    this.#dueAt = Math.min(this.#dueAt, this.#outlook.nextSchedule);
    try {
      for await (const result of compare({ context, places: this.lanes.map(({ place }) => place), deep, signal })) {
        await this.#take(result, notes);
        if ('error' in result) failures.push(faultOf(result, context.now()));
      }
      await this.#conclude(notes, began);
    } catch (error) {
      if (signal.aborted) return;
      context.log.warn(
        { rule: this.loaded.name, err: error },
        'a comparison of source and targets failed; it is tried again',
      );
      failures.push(failureOf(error, context.now()));
    }
    this.#settle(failures);
  }

  #settle(failures: readonly Fault[]): void {
    const { context } = this;
    const [first] = failures;
    this.#outlook.faults = failures;
    for (const { reason } of failures) this.#parts.metrics.failed(this.loaded.name, reason);
    this.#failures = first === undefined ? 0 : this.#failures + 1;
    if (first === undefined) {
      context.sourceBreaker.succeeded();
      if (this.#again && this.#hasPeers()) this.#dueAt = Math.min(this.#dueAt, context.now() + second);
      this.#again = false;
    } else
      this.#dueAt = Math.min(
        this.#dueAt,
        context.now() + retryWait(this.loaded.rule.retry, this.#failures, context.chance()),
      );
  }

  async #take(result: RepositoryResult, notes: Notes): Promise<void> {
    if ('error' in result) return this.#noteFailure(result);
    const lane = this.lanes.find(({ place }) => place === result.place);
    if (lane === undefined) return;
    notes.compared(result);
    for (const finding of result.findings) {
      lane.judge(finding.repository, finding.tag, finding.decision);
      if (finding.decision.action === 'copy' && !this.loaded.rule.dryRun) {
        lane.addFound(finding, this.#sinceOf(finding));
      }
    }
    await notes.write(this.loaded.rule.dryRun);
  }

  #noteFailure({ place, error }: Extract<RepositoryResult, { error: unknown }>): void {
    const { context } = this;
    for (const lane of this.lanes) {
      if (place !== undefined && lane.place !== place) continue;
      lane.compareFailed(context.now());
      if (place !== undefined && isTransferError(error)) lane.breaker.failed(error);
    }
    if (place === undefined) context.sourceBreaker.failed(error);
  }

  /** Old images of a new rule have been missing since there is the rule. */
  #sinceOf({ source, decision }: Finding): number {
    const now = this.context.now();
    const came = decision.action === 'copy' && (decision.reason === 'new' || decision.reason === 'moved');
    return came && source?.changedAt !== undefined
      ? Math.min(now, Math.max(source.changedAt, this.loaded.changedAt))
      : now;
  }

  async #conclude(notes: Notes, began: number): Promise<void> {
    const { rule } = this.loaded;
    const { now } = this.context;
    this.#outlook.lastPlan = notes.plan(began);
    for (const lane of this.lanes) if (lane.failedCompares < began) lane.noteCompared();
    const { allowed, halted } = guardDeletions(notes.deletions, rule.deletion?.maxPerRun ?? 0);
    this.#outlook.halted = halted;
    const kept = rule.dryRun ? [] : await deleteFound(this.context, allowed, this.#stopping.signal);
    this.#outlook.kept = kept;
    if (notes.nextDeletion !== undefined)
      this.#dueAt = Math.min(this.#dueAt, Math.max(now() + settling, notes.nextDeletion));
  }

  #scheduled(): number {
    const { schedule, timeZone } = this.loaded.rule;
    return nextTime(schedule, this.context.now(), timeZone);
  }
}

function faultOf({ error, place }: Extract<RepositoryResult, { error: unknown }>, now: number): Fault {
  return { ...failureOf(error, now), ...(place !== undefined && { target: place.text }) };
}
