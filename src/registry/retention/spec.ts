import { parseDuration } from '../../domain/duration.ts';
import { isJsonObject } from '../../domain/json.ts';
import { Fields } from '../../domain/retention/fields.ts';
import { InvalidPolicy, type Policy } from '../../domain/retention/policy.ts';
import { readPolicySpec } from '../../domain/retention/read-resource.ts';
import { nextTime } from '../../domain/schedule.ts';

/** A RetentionPolicy's `spec`, read. */
export interface RetentionSpec {
  readonly policy: Policy;
  /** What is odd about the rules without being wrong. */
  readonly warnings: readonly string[];
  readonly repositories: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  readonly mode: 'Enforce' | 'DryRun' | 'Approve';
  readonly approvedPlan?: string;
  readonly schedule: string;
  readonly timeZone: string;
  /** Milliseconds. */
  readonly restoreWindow: number;
  readonly suspend: boolean;
}

const known = [
  'registryRef',
  'repositories',
  'rules',
  'lifecyclePolicyText',
  'protect',
  'mode',
  'approvedPlan',
  'schedule',
  'timeZone',
  'restoreWindow',
  'suspend',
];
/** Of a name of a repository, or a pattern of such names. */
export const PATTERN = /^[a-z0-9*?]([-a-z0-9._/*?]*[a-z0-9*?])?$/;
const HASH = /^sha256:[a-f0-9]{64}$/;
const day = 86_400_000;
/** A trash that is never emptied would be a leak: ten years. */
const longestWindow = 3653 * day;

/**
 * Reads `spec`, all of it: nothing of one with a problem may run.
 * @param now milliseconds since the epoch: a schedule must come again after it
 * @throws InvalidPolicy with every problem, each naming rule and field
 */
export function readSpec(value: unknown, now: number): RetentionSpec {
  const problems: string[] = [];
  const { warnings, ...policy } = readRules(value, problems);
  const spec = isJsonObject(value) ? Fields.of(value, 'spec', problems) : undefined;
  if (spec === undefined || !isJsonObject(value)) throw new InvalidPolicy(problems);
  spec.refuseOthers(known);
  const mode = spec.choice('mode', ['Enforce', 'DryRun', 'Approve']) ?? 'Enforce';
  const approvedPlan = readApproval(spec, mode);
  const schedule = spec.text('schedule') ?? '0 2 * * *';
  const timeZone = spec.text('timeZone') ?? 'UTC';
  checkSchedule(spec, { schedule, timeZone, now });
  const restoreWindow = readWindow(spec);
  if (spec.has('suspend') && typeof value.suspend !== 'boolean') spec.problem('suspend', 'must be true or false');
  const repositories = readRepositories(spec.object('repositories'));
  if (problems.length > 0) throw new InvalidPolicy([...new Set(problems)]);
  return {
    policy,
    warnings,
    repositories,
    mode,
    schedule,
    timeZone,
    restoreWindow,
    suspend: value.suspend === true,
    ...(approvedPlan !== undefined && { approvedPlan }),
  };
}

function readRules(value: unknown, problems: string[]): Policy & { warnings: readonly string[] } {
  try {
    return readPolicySpec(value);
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error;
    problems.push(...error.problems);
    return { rules: [], warnings: [] };
  }
}

function readApproval(spec: Fields, mode: RetentionSpec['mode']): string | undefined {
  const hash = spec.text('approvedPlan');
  if (hash === undefined) return undefined;
  if (!HASH.test(hash)) spec.problem('approvedPlan', 'must be the hash of a plan: sha256: and 64 hex digits');
  if (mode !== 'Approve')
    spec.problem('approvedPlan', 'has no meaning without mode Approve; set mode, or leave out approvedPlan');
  return hash;
}

function checkSchedule(
  spec: Fields,
  { schedule, timeZone, now }: Record<'schedule' | 'timeZone', string> & { now: number },
): void {
  const check = (field: string, read: () => number) => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      spec.problem(field, error.message);
    }
  };
  check('schedule', () => nextTime(schedule, now));
  check('timeZone', () => nextTime('@daily', now, timeZone));
}

function readWindow(spec: Fields): number {
  const text = spec.text('restoreWindow');
  if (text === undefined) return day;
  const window = parseDuration(text);
  if (window !== undefined && window <= longestWindow) return window;
  spec.problem('restoreWindow', 'must be a duration such as 24h or 3d, of ten years at most');
  return day;
}

function readRepositories(fields: Fields | undefined): RetentionSpec['repositories'] {
  if (fields === undefined) return { include: [], exclude: [] };
  fields.refuseOthers(['include', 'exclude']);
  const patterns = (field: string) => {
    const texts = fields.texts(field);
    if (texts.length > 128) fields.problem(field, 'has more than 128 entries');
    for (const text of texts)
      if (text.length > 255 || !PATTERN.test(text))
        fields.problem(
          field,
          `${JSON.stringify(text.slice(0, 64))} is no name of a repository and no pattern with *, ** and ?`,
        );
    return texts;
  };
  return { include: patterns('include'), exclude: fields.has('exclude') ? patterns('exclude') : [] };
}
