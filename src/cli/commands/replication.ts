import { setTimeout as sleep } from 'node:timers/promises';
import { isTransferError } from '../../transfer/errors.ts';
import { askAdmin, streamAdmin } from '../admin-api.ts';
import type { Context } from '../context.ts';
import { CliFailure } from '../failure.ts';
import { readPlanLine } from '../replication/plan-line.ts';
import {
  parseRuleName,
  parseRuleOrHost,
  type Rule,
  type RuleName,
  readRule,
  type TargetState,
} from '../replication/rule.ts';
import { formatBytes, table } from '../text.ts';

const pollMs = 500;

/** `ne-cli replication status`: how far the targets of a rule are, or of all rules of a registry. */
export async function replicationStatus(context: Context, text: string): Promise<void> {
  const { host, name } = parseRuleOrHost(text);
  if (name !== undefined) {
    const rule = await ruleOf(context, { host, name });
    return context.print(rule.raw, () => describe(rule));
  }
  const answer = await askAdmin(context, host, { path: '/rules/replication', what: 'list its replication rules' });
  const { rules = [] } = (answer ?? {}) as { rules?: unknown[] };
  context.print(rules, () => overview(rules.map(readRule)));
}

export interface PlanOptions {
  /** Also what needs nothing. */
  readonly all?: boolean;
}

/** `ne-cli replication plan`: compares source and targets now, and shows what a run would do. Does nothing of it. */
export async function replicationPlan(context: Context, text: string, options: PlanOptions): Promise<void> {
  const rule = parseRuleName(text);
  const { host, name } = rule;
  await ruleOf(context, rule);
  const counts = { copy: 0, delete: 0, conflict: 0, unchanged: 0, error: 0 };
  const question = { path: `/replication/${name}/plan`, what: `compare the rule ${name}` };
  for await (const raw of streamAdmin(context, host, question)) {
    const line = readPlanLine(raw);
    counts[line.action] += 1;
    // As they come: a plan may be longer than memory.
    if (options.all === true || line.action !== 'unchanged') context.printLine(raw, () => line.text);
  }
  const told = `copy ${counts.copy}, delete ${counts.delete}, conflicts ${counts.conflict}, as they should be ${counts.unchanged}`;
  context.say(`${told}; nothing was changed`);
  if (counts.error > 0) throw new CliFailure(`${name}: the plan is not whole, because an end could not be read`);
}

export interface RunOptions {
  readonly wait?: boolean;
  readonly timeout?: number;
}

/** `ne-cli replication run`: compares source and targets now; with `--wait` until every target has what it should. */
export async function replicationRun(context: Context, text: string, options: RunOptions): Promise<void> {
  const rule = parseRuleName(text);
  const before = await ruleOf(context, rule);
  await start(context, rule);
  const after =
    options.wait === true ? await settled(context, rule, { before, seconds: options.timeout ?? 600 }) : undefined;
  context.print(after?.raw ?? { name: rule.name, started: true }, () =>
    after === undefined ? `the comparison of ${rule.name} starts now` : describe(after),
  );
}

/** `ne-cli replication retry`: tries what failed again now, whatever its waits were to be. */
export async function replicationRetry(context: Context, text: string): Promise<void> {
  const { host, name } = parseRuleName(text);
  const rule = await ruleOf(context, { host, name });
  const failed = sum(rule.targets, 'failed');
  await askAdmin(context, host, { method: 'POST', path: `/replication/${name}/retry`, what: `retry the rule ${name}` });
  context.print({ name, retrying: failed }, () =>
    failed === 0
      ? `no tag of ${name} had failed`
      : [`${tags(failed)} of ${name} are tried again now`, ...failures(rule)].join('\n'),
  );
}

async function start(context: Context, { host, name }: RuleName): Promise<void> {
  const path = `/rules/replication/${name}/run`;
  await askAdmin(context, host, { method: 'POST', path, what: `start the rule ${name}` });
}

async function ruleOf(context: Context, { host, name }: RuleName): Promise<Rule> {
  try {
    return readRule(
      await askAdmin(context, host, { path: `/rules/replication/${name}`, what: `read the rule ${name}` }),
    );
  } catch (error) {
    if (!isTransferError(error, 'NotFound')) throw error;
    const hint = `\`ne-cli replication status ${host}\` lists those that there are`;
    throw new CliFailure(`${host}: has no replication rule ${name}; ${hint}`);
  }
}

/** Polls until a comparison that began after `before` has come to its end, and every target has what it should. */
async function settled(
  context: Context,
  name: RuleName,
  { before, seconds }: { before: Rule; seconds: number },
): Promise<Rule> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    await sleep(pollMs, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted());
    const rule = await ruleOf(context, name);
    const compared = rule.comparedAt !== undefined && rule.comparedAt !== before.comparedAt;
    if (compared && isInStep(rule)) return rule;
    if (Date.now() < until) continue;
    throw new CliFailure(`${name.name}: not in step within ${seconds} s; it goes on by itself\n${describe(rule)}`);
  }
}

/** Conflicts that the rule leaves as they are, and deletions that it does not dare, are nothing to wait for. */
function isInStep({ targets, problems }: Rule): boolean {
  if (problems.some(({ type }) => ['Stalled', 'Ready', 'InSync'].includes(type))) return false;
  return sum(targets, 'pending') === 0 && sum(targets, 'failed') === 0;
}

function overview(rules: readonly Rule[]): string {
  if (rules.length === 0) return 'there are no replication rules';
  const rows = rules.map(({ name, source, targets, problems }) => [
    name,
    standing({ targets, problems }),
    `${source} → ${targets.map(({ target }) => target).join(', ')}`,
  ]);
  return table([['RULE', 'STANDS', 'FROM AND TO'], ...rows]);
}

function standing({ targets, problems }: Pick<Rule, 'targets' | 'problems'>): string {
  const [problem] = problems;
  if (problem !== undefined) return problem.reason;
  const [failed, pending] = [sum(targets, 'failed'), sum(targets, 'pending')];
  if (failed > 0) return `${failed} failed`;
  if (pending > 0) return `${pending} waiting`;
  return targets.every(({ lastSuccess }) => lastSuccess !== undefined) ? 'in step' : 'not compared yet';
}

function describe(rule: Rule): string {
  const rows = rule.targets.map((target) => [
    target.target,
    standing({ targets: [target], problems: [] }),
    target.lastSuccess ?? '-',
    target.oldestPendingSince ?? '-',
    formatBytes(target.bytesTransferred),
  ]);
  const problems = rule.problems.map(({ type, reason, message }) => `${type}: ${reason}: ${message}`);
  return [
    `${rule.name}: ${rule.source}`,
    table([['TARGET', 'STANDS', 'LAST IN STEP', 'WAITS SINCE', 'SENT'], ...rows]),
    ...failures(rule),
    ...problems,
    ...(rule.nextSchedule === undefined ? [] : [`compared whole again ${rule.nextSchedule}`]),
  ].join('\n');
}

function failures({ targets }: Pick<Rule, 'targets'>): string[] {
  return targets.flatMap(({ target, failures: list }) =>
    list.map(({ reference, reason, message }) => `failed: ${reference} to ${target}: ${reason}: ${message}`),
  );
}

function tags(count: number): string {
  return count === 1 ? '1 tag' : `${count} tags`;
}

function sum(targets: readonly TargetState[], field: 'pending' | 'failed'): number {
  return targets.reduce((total, target) => total + target[field], 0);
}
