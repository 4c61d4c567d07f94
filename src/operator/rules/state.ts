/** What is common to the states that a registry reports of its rules: problems, events, and fields cut to a schema's limits. */
import * as z from 'zod';
import type { ConditionInput } from '../runtime/conditions.ts';

/** A text cut to so many characters. */
export function cut(most: number) {
  return z.string().transform((text) => (text.length > most ? `${text.slice(0, most - 1)}…` : text));
}

/** A time in RFC 3339 with whole seconds, or undefined. */
export const time = z
  .string()
  .transform((text, context) => {
    const at = Date.parse(text);
    if (!Number.isNaN(at)) return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
    context.issues.push({ code: 'custom', message: 'no time', input: text });
    return z.NEVER;
  })
  .optional()
  .catch(undefined);

/** The first `most` items that have the shape; undefined where it is no list. */
export function lenientList<T extends z.ZodType>(item: T, most: number) {
  return z
    .array(z.unknown())
    .transform((items) =>
      items.slice(0, most).flatMap((each): z.output<T>[] => {
        const read = item.safeParse(each);
        return read.success ? [read.data] : [];
      }),
    )
    .optional()
    .catch(undefined);
}

/** One thing that keeps a rule from doing all it should. */
const Problem = z.object({
  type: z
    .string()
    .max(316)
    .regex(/^[A-Z][A-Za-z0-9]*$/),
  reason: z
    .string()
    .max(1024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/),
  message: cut(8192),
});
export type Problem = z.output<typeof Problem>;

const RuleEvent = z.object({
  at: z.iso.datetime().transform((text) => new Date(text).toISOString()),
  reason: z
    .string()
    .max(128)
    .regex(/^[A-Z][A-Za-z0-9]*$/),
  message: cut(1000),
});

const Reported = z.object({ problems: lenientList(Problem, 24), events: lenientList(RuleEvent, 50) });

/** Something that a registry did for a rule, worth an event of Kubernetes. `at` is RFC 3339 with milliseconds, UTC. */
export type Happening = z.output<typeof RuleEvent>;

/** The problems in a rule's state: one of each type, none of those that the operator itself sets. */
export function problemsIn(state: unknown): Problem[] {
  const byType = new Map<string, Problem>();
  for (const problem of reported(state).problems ?? []) {
    if (!['Ready', 'Reconciling', 'Stalled'].includes(problem.type)) byType.set(problem.type, problem);
  }
  return [...byType.values()];
}

/** As conditions that hold. */
export function problemConditions(problems: readonly Problem[], observedGeneration: number): ConditionInput[] {
  return problems.map((problem) => ({ ...problem, status: 'True', observedGeneration }));
}

/** What happened after `since` (RFC 3339), the oldest first. */
export function happeningsIn(state: unknown, since: string): Happening[] {
  return (reported(state).events ?? []).filter(({ at }) => at > since).sort((a, b) => (a.at < b.at ? -1 : 1));
}

function reported(state: unknown): z.output<typeof Reported> {
  const read = Reported.safeParse(state);
  return read.success ? read.data : {};
}
