import { setImmediate as turn } from 'node:timers/promises';
import { pause } from '../jobs/pause.ts';
import { type Doomed, plannedImage } from './evaluation.ts';
import type { Evaluator } from './evaluator.ts';
import type { RetentionParts } from './parts.ts';
import type { PlannedImage } from './plan-record.ts';
import type { RunnableRule } from './policy-rule.ts';

/** Images in one transaction. */
export const BATCH = 100;
/** Shortest pause after a batch, milliseconds; otherwise as long as it took: requests go first. */
const BREATH = { expired: 20, planned: 1 };
/** Lines of the log between two turns of the event loop: each is written at once. */
const LINES = 10;

/** What a policy did, or what was added to that. */
export interface Tally {
  expired: number;
  expiredBytes: number;
}

export interface Execution {
  readonly parts: RetentionParts;
  readonly rule: RunnableRule;
  readonly evaluator: Evaluator;
  readonly signal: AbortSignal;
  /** Counted as it happens. */
  readonly tally: Tally;
  /** Of the reports that the plans were made with. Null where nothing may expire. */
  revision: number | null;
  /** Whose reports they are. */
  clusters: readonly string[];
  /** Tells what is planned, before anything of it is done. */
  note(images: readonly PlannedImage[]): Promise<void>;
}

/** The policy was changed, suspended or deleted while it was carried out. */
export class Superseded extends Error {}

/**
 * Carries out what was planned of a repository, batch by batch, in the order in which it may go. Where a cluster begins to use
 * something meanwhile, what is left is looked at again.
 * @throws Superseded
 */
export async function carryOut(execution: Execution, repository: string, approved: boolean): Promise<void> {
  const { evaluator, signal } = execution;
  await evaluator.ask({ ask: 'begin', limit: BATCH, approved });
  let noted = new Set<string>();
  for (;;) {
    signal.throwIfAborted();
    const began = performance.now();
    const batch = await evaluator.ask({ ask: 'next' });
    if (batch.length === 0) return;
    const fresh = batch.filter(({ digest }) => !noted.has(digest));
    await execution.note(fresh.map((image) => plannedImage(repository, image)));
    const refused = !(await expire(execution, repository, batch));
    // Those come again, and are told of already.
    if (refused) noted = new Set([...noted, ...batch.map(({ digest }) => digest)]);
    const breath = execution.revision === null ? BREATH.planned : BREATH.expired;
    await pause(Math.max(breath, performance.now() - began), signal);
  }
}

/** False where a cluster uses more than was known, or another one is listed: nothing of the batch went. */
async function expire(execution: Execution, repository: string, batch: readonly Doomed[]): Promise<boolean> {
  const { parts, rule, revision } = execution;
  if (revision === null) return true;
  await requireUnchanged(execution);
  await parts.flushPulls();
  if (parts.inUse().clusters.join() !== execution.clusters.join()) return refuse(execution, batch);
  const now = parts.now();
  const { name } = rule.row;
  const until = now + rule.spec.restoreWindow;
  const result = await parts.metadata.expire({
    repository,
    images: batch.map(({ digest, tags, pulledHour }) => ({
      digest,
      tags,
      ...(pulledHour !== undefined && { pulledHour }),
    })),
    by: { name: `retention/${name}`, now },
    policy: name,
    until,
    inUseRevision: revision,
  });
  if (result.outcome === 'in-use-changed') return refuse(execution, batch);
  const expired = new Set(result.expired);
  await tell(
    execution,
    { repository, until },
    batch.filter(({ digest }) => expired.has(digest)),
  );
  return true;
}

/** What is left is compared with what clusters use now. One that was listed meanwhile has to report first. */
async function refuse(execution: Execution, batch: readonly Doomed[]): Promise<false> {
  const { parts, evaluator } = execution;
  const inUse = { ...parts.inUse(), now: parts.now() };
  const { revision, missing } = await evaluator.ask({ ask: 'recheck', refused: batch, inUse });
  execution.revision = missing.length === 0 ? revision : null;
  execution.clusters = inUse.clusters;
  return false;
}

/** A policy that is not there any more, or is not this one, does nothing more. */
export async function requireUnchanged({ parts, rule: { row } }: Pick<Execution, 'parts' | 'rule'>): Promise<void> {
  const found = await parts.metadata.rule('retention', row.name);
  if (found?.uid === row.uid && found.generation === row.generation) return;
  throw new Superseded(`the policy ${row.name} was changed while it was carried out`);
}

/** Counted first: a log that is slow must not make less of it. */
async function tell(
  { parts, rule, tally }: Execution,
  { repository, until }: { repository: string; until: number },
  expired: readonly Doomed[],
): Promise<void> {
  const policy = rule.row.name;
  tally.expired += expired.length;
  for (const { size } of expired) tally.expiredBytes += size;
  if (expired.length > 0) parts.metrics.expired(policy, expired.length);
  const restorableUntil = new Date(until).toISOString();
  for (const [index, { digest, tags, rulePriority, reason }] of expired.entries()) {
    parts.log.info({ policy, repository, digest, tags, rule: rulePriority, reason, restorableUntil }, 'image expired');
    if (index % LINES === LINES - 1) await turn();
  }
}
