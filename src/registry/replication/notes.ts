import type { ReplicationRuleStatusLastPlan } from '../../api/v1alpha1/replication-rule.gen.ts';
import type { CopyKey, CopyRow } from '../metadata/replicating.ts';
import type { Finding } from './comparison.ts';
import type { RuleContext } from './context.ts';
import type { Place } from './places.ts';
import { rfc3339 } from './state.ts';

/** A tag that is to be deleted at a target. */
export interface Deletion extends CopyKey {
  readonly target: string;
  readonly finding: Finding;
}

/** Rows of one transaction. */
const batch = 500;

/** What one comparison finds: counted, and what is to be remembered written as it comes. */
export class Notes {
  readonly deletions: Deletion[] = [];
  /** When the first of those that wait may be deleted, milliseconds since the epoch. */
  nextDeletion: number | undefined;
  readonly #context: RuleContext;
  #copy = 0;
  #unchanged = 0;
  #due: { place: Place; rows: CopyRow[]; gone: CopyKey[] }[] = [];

  constructor(context: RuleContext) {
    this.#context = context;
  }

  compared({ place, findings }: { readonly place: Place; readonly findings: readonly Finding[] }): void {
    const rows: CopyRow[] = [];
    const gone: CopyKey[] = [];
    for (const finding of findings) {
      const { repository, tag, decision } = finding;
      if (decision.action === 'copy') this.#copy += 1;
      if (decision.action === 'none' && decision.reason === 'equal') this.#unchanged += 1;
      if (decision.action === 'delete') this.deletions.push({ repository, tag, target: place.text, finding });
      if (decision.action === 'forget') gone.push({ repository, tag });
      if (decision.action === 'note') rows.push(...this.#noted(finding, decision.missingSince));
      if (decision.action === 'none' && decision.reason === 'waiting') this.#waits(finding.copy?.missingSince);
    }
    this.#due.push({ place, rows, gone });
  }

  /** Writes what was found since the last time; a plan alone remembers nothing. */
  async write(dry: boolean): Promise<void> {
    const due = this.#due.splice(0);
    if (dry) return;
    const { metadata, loaded } = this.#context;
    for (const { place, rows, gone } of due) {
      for (let at = 0; at < Math.max(rows.length, gone.length); at += batch) {
        await metadata.putCopies(loaded.name, place.text, rows.slice(at, at + batch), gone.slice(at, at + batch));
      }
    }
  }

  plan(time: number): ReplicationRuleStatusLastPlan {
    return { time: rfc3339(time), copy: this.#copy, delete: this.deletions.length, unchanged: this.#unchanged };
  }

  #noted({ repository, tag, source, target, copy }: Finding, missingSince: number | undefined): CopyRow[] {
    const live = source?.deleted === undefined ? source : undefined;
    const digest = live?.digest ?? copy?.digest ?? target?.digest;
    if (digest === undefined) return [];
    if (missingSince === undefined) {
      if (live !== undefined) this.#unchanged += 1;
    } else this.#waits(missingSince);
    const referrers = live === undefined ? copy?.referrers : live.referrers;
    const copiedAt = copy?.copiedAt ?? this.#context.now();
    return [
      {
        repository,
        tag,
        digest,
        copiedAt,
        ...(referrers && { referrers }),
        ...(missingSince !== undefined && { missingSince }),
      },
    ];
  }

  #waits(since: number | undefined): void {
    const { deletion } = this.#context.loaded.rule;
    if (since === undefined || deletion === undefined) return;
    this.nextDeletion = Math.min(this.nextDeletion ?? Number.POSITIVE_INFINITY, since + deletion.delay);
  }
}
