/** Rules in a registry, over its admin API: `/admin/v1/rules/KIND/NAME`. A rule's name is that of its resource. */
import * as z from 'zod';
import { describe, errorsOf, type RegistryClient } from './client.ts';
import type { AdminAnswer } from './request.ts';

export type RuleKind = 'retention' | 'replication';

export interface RuleRef {
  readonly kind: RuleKind;
  readonly name: string;
}

export interface RuleDocument {
  readonly uid: string;
  readonly generation: number;
  readonly spec: unknown;
  /** How the registry reaches others; it keeps them sealed, and never shows them. */
  readonly connections?: readonly unknown[];
}

/** A rule as the registry has it. `state` is shaped like the resource's `status`. */
const Rule = z.object({
  name: z.string(),
  uid: z.string(),
  generation: z.number(),
  state: z.unknown(),
});
export type Rule = z.output<typeof Rule>;

const Rules = z.object({ rules: z.array(Rule.omit({ state: true })) });

/** The registry refuses a rule's spec: nothing but another spec helps. */
export class RuleRefused extends Error {
  override readonly name = 'RuleRefused';
  /** One line each, naming rule and field. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.problems = problems;
  }
}

/** The longest state that is read: plans with a hundred images, and failures with theirs. */
const longestState = 4 * 1024 * 1024;
const longestList = 128 * 1024 * 1024;

/**
 * Makes the registry run this generation of a rule; the same again is no change.
 * @throws RuleRefused; any other Error where it did not come about
 */
export async function putRule(
  registry: RegistryClient,
  ref: RuleRef,
  document: RuleDocument,
  signal: AbortSignal,
): Promise<void> {
  const answer = await registry.send({ method: 'PUT', path: pathOf(ref), body: document }, signal);
  if (answer.status === 200) return;
  if (answer.status === 400) throw new RuleRefused(problemsOf(answer));
  throw new Error(`the registry did not take the rule ${ref.name}: ${describe(answer)}`);
}

/** The rule and its state, or undefined where the registry has none of the name. */
export async function getRule(registry: RegistryClient, ref: RuleRef, signal: AbortSignal): Promise<Rule | undefined> {
  const answer = await registry.send({ method: 'GET', path: pathOf(ref), maxBytes: longestState }, signal);
  if (answer.status === 404) return undefined;
  return read(Rule, answer, `the rule ${ref.name}`);
}

/** What rules of a kind the registry has, without their states. */
export async function listRules(
  registry: RegistryClient,
  kind: RuleKind,
  signal: AbortSignal,
): Promise<Omit<Rule, 'state'>[]> {
  const path = `/admin/v1/rules/${kind}`;
  const answer = await registry.send({ method: 'GET', path, maxBytes: longestList, timeoutMs: 30_000 }, signal);
  return read(Rules, answer, `its ${kind} rules`).rules;
}

/** Takes a rule away; one that is not there is success. */
export async function deleteRule(registry: RegistryClient, ref: RuleRef, signal: AbortSignal): Promise<void> {
  const answer = await registry.send({ method: 'DELETE', path: pathOf(ref) }, signal);
  if (answer.status === 404 || (answer.status >= 200 && answer.status < 300)) return;
  throw new Error(`the registry did not remove the rule ${ref.name}: ${describe(answer)}`);
}

/** Asks for an evaluation, or a comparison, as soon as may be. */
export async function runRule(registry: RegistryClient, ref: RuleRef, signal: AbortSignal): Promise<void> {
  const answer = await registry.send({ method: 'POST', path: `${pathOf(ref)}/run` }, signal);
  if (answer.status >= 200 && answer.status < 300) return;
  throw new Error(`the registry did not start the rule ${ref.name}: ${describe(answer)}`);
}

function pathOf({ kind, name }: RuleRef): string {
  return `/admin/v1/rules/${kind}/${encodeURIComponent(name)}`;
}

function read<T>(schema: z.ZodType<T>, answer: AdminAnswer, what: string): T {
  const found = answer.status === 200 ? schema.safeParse(answer.body) : undefined;
  if (found?.success === true) return found.data;
  throw new Error(`the registry did not tell of ${what}: ${describe(answer)}`);
}

function problemsOf({ body }: AdminAnswer): string[] {
  const problems = errorsOf(body).flatMap(({ message, detail }) => {
    const listed = (detail as { problems?: unknown } | undefined)?.problems;
    const texts = Array.isArray(listed) ? listed.filter((each) => typeof each === 'string') : [];
    return texts.length > 0 ? texts : [message ?? 'it does not say why'];
  });
  return problems.length > 0 ? problems : ['it does not say why'];
}
