/** What the working registry tells of a rule, cut to what the resource's status may hold. Pure. */
import * as z from 'zod';
import type { ReplicationRuleStatus } from '../../api/v1alpha1/replication-rule.gen.ts';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const text = (most: number) => z.string().transform((value) => value.slice(0, most));
/** RFC 3339; milliseconds are dropped, so that a status reads alike everywhere. */
const time = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value).toISOString().replace(/\.\d+Z$/, 'Z'));
/** `reason` of a condition. */
const reason = z
  .string()
  .regex(/^[A-Za-z]([A-Za-z0-9_]{0,126}[A-Za-z0-9])?$/)
  .catch('Unknown');

const Failure = z.object({ reference: text(1024), reason, message: text(4096), time: time.optional() });

const Target = z.object({
  target: text(1024),
  lastSuccess: time.optional(),
  oldestPendingSince: time.optional(),
  pending: count.optional(),
  failed: count.optional(),
  conflicts: count.optional(),
  bytesTransferred: count.optional(),
  failures: z
    .array(Failure)
    .transform((list) => list.slice(0, 10))
    .optional(),
});

const Plan = z.object({
  time: time.optional(),
  copy: count.optional(),
  delete: count.optional(),
  unchanged: count.optional(),
  bytes: count.optional(),
});

const Problem = z.object({
  /** Of a condition. */
  type: z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,62}$/),
  reason,
  message: text(4096),
});

const State = z.object({
  /** The generation that the worker has taken up. */
  generation: count.optional(),
  targets: z.array(Target).max(64).default([]),
  lastPlan: Plan.optional(),
  nextSchedule: time.optional(),
  problems: z.array(Problem).max(32).default([]),
});

export type RuleState = z.output<typeof State>;
export type Problem = RuleState['problems'][number];
export type TargetState = RuleState['targets'][number];

/** Undefined where it is nothing that can be read: an older or a newer registry, or one that has not begun. */
export function readState(state: unknown): RuleState | undefined {
  const read = State.safeParse(state);
  return read.success ? read.data : undefined;
}

/** The fields of a status that are the registry's to tell. */
export function toldStatus({ targets, lastPlan, nextSchedule }: RuleState): ReplicationRuleStatus {
  return {
    ...(targets.length === 0 ? {} : { targets }),
    ...(lastPlan === undefined ? {} : { lastPlan }),
    ...(nextSchedule === undefined ? {} : { nextSchedule }),
  } as ReplicationRuleStatus;
}
