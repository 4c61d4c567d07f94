/** What is wrong with a policy's rules and schedule, found before any registry is asked. Pure. */
import { InvalidPolicy } from '../../domain/retention/policy.ts';
import { readPolicyResource } from '../../domain/retention/read-resource.ts';
import { nextTime } from '../../domain/schedule.ts';
import type { RetentionPolicySpec } from './resource.ts';

/** One line for each problem, naming rule and field; empty where the policy can run. */
export function violationsOf(spec: RetentionPolicySpec, now: Date): readonly string[] {
  return [...rulesOf(spec), ...scheduleOf(spec, now)];
}

function rulesOf(spec: RetentionPolicySpec): readonly string[] {
  try {
    readPolicyResource({ kind: 'RetentionPolicy', spec });
    return [];
  } catch (error) {
    if (error instanceof InvalidPolicy) return error.problems;
    throw error;
  }
}

function scheduleOf({ schedule = '0 2 * * *', timeZone = 'UTC' }: RetentionPolicySpec, now: Date): readonly string[] {
  try {
    nextTime(schedule, now.getTime(), timeZone);
    return [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [`spec.${error.message.startsWith('the time zone') ? 'timeZone' : 'schedule'}: ${error.message}`];
  }
}
