/** A replication rule as the admin API tells of it. */
import { isJsonObject } from '../../domain/json.ts';
import { isHost } from '../../domain/oci/reference.ts';
import { UsageFailure } from '../failure.ts';

/** Where a rule is, as the command line names it: `host[:port]/rule`. */
export interface RuleName {
  readonly host: string;
  readonly name: string;
}

/** @throws UsageFailure */
export function parseRuleName(text: string): RuleName {
  const { host, name } = parseRuleOrHost(text);
  if (name === undefined) throw new UsageFailure(`${text}: name a rule after the registry, host[:port]/rule`);
  return { host, name };
}

/** The same, or a registry alone for all of its rules. @throws UsageFailure */
export function parseRuleOrHost(text: string): { host: string; name: string | undefined } {
  const [, host = '', , name] = /^([^/]*)(\/(.*))?$/s.exec(text) ?? [];
  if (!isHost(host.toLowerCase()))
    throw new UsageFailure(`${text}: must be host[:port]/rule, with the registry that carries the rule out in front`);
  if (name !== undefined && !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name))
    throw new UsageFailure(`${text}: ${JSON.stringify(name)} is no name of a rule`);
  return { host, name };
}

export interface Failure {
  readonly reference: string;
  readonly reason: string;
  readonly message: string;
}

export interface TargetState {
  readonly target: string;
  readonly lastSuccess?: string;
  readonly oldestPendingSince?: string;
  readonly pending: number;
  readonly failed: number;
  readonly conflicts: number;
  readonly bytesTransferred: number;
  readonly failures: readonly Failure[];
}

export interface Rule {
  readonly name: string;
  readonly source: string;
  readonly targets: readonly TargetState[];
  /** When source and targets were last compared. */
  readonly comparedAt: string | undefined;
  readonly nextSchedule: string | undefined;
  readonly problems: readonly { type: string; reason: string; message: string }[];
  /** As it came, for `--output json`. */
  readonly raw: unknown;
}

/** Reads an answer; what it does not know or does not understand is left out. */
export function readRule(raw: unknown): Rule {
  const rule = objectOf(raw);
  const spec = objectOf(rule.spec);
  const state = objectOf(rule.state);
  const told = listOf(state.targets).map(objectOf);
  const names = listOf(spec.targets).filter((each) => typeof each === 'string');
  return {
    name: textOf(rule.name) ?? '',
    source: textOf(spec.source) ?? '',
    targets: names.map((target) => readTarget(target, told.find((each) => each.target === target) ?? {})),
    comparedAt: textOf(objectOf(state.lastPlan).time),
    nextSchedule: textOf(state.nextSchedule),
    problems: listOf(state.problems)
      .map(objectOf)
      .map(({ type, reason, message }) => ({ type: String(type), reason: String(reason), message: String(message) })),
    raw,
  };
}

function readTarget(target: string, told: Record<string, unknown>): TargetState {
  const { lastSuccess, oldestPendingSince } = told;
  return {
    target,
    ...(typeof lastSuccess === 'string' && { lastSuccess }),
    ...(typeof oldestPendingSince === 'string' && { oldestPendingSince }),
    pending: numberOf(told.pending),
    failed: numberOf(told.failed),
    conflicts: numberOf(told.conflicts),
    bytesTransferred: numberOf(told.bytesTransferred),
    failures: listOf(told.failures)
      .map(objectOf)
      .map(({ reference, reason, message }) => ({
        reference: String(reference),
        reason: String(reason),
        message: String(message),
      })),
  };
}

function objectOf(value: unknown): Record<string, unknown> {
  return isJsonObject(value) ? value : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
