import type { Millis } from '../metadata/store.ts';
import type { Problem } from '../rules/keeper.ts';
import { frozenPlan, type RunnableRule } from './policy-rule.ts';

/** Hashes that are remembered. */
const REMEMBERED = 64;

/** What is wrong with `approvedPlan`: nothing is done because of such a hash. */
export function approvalProblem(rule: RunnableRule, now: Millis): Problem | undefined {
  const { mode, approvedPlan: hash } = rule.spec;
  const { own, plan } = rule.state;
  if (mode !== 'Approve' || hash === undefined) return undefined;
  if (own.applied?.includes(hash) || frozenPlan(rule, now)?.hash === hash) return undefined;
  if (own.lapsed?.includes(hash) || plan?.hash === hash)
    return {
      type: 'ApprovalExpired',
      reason: 'ApprovalExpired',
      message: `spec.approvedPlan ${hash} names a plan that was replaced, or whose time to be approved is over; nothing of it was done. Look at the plan in status.plan, and approve that`,
    };
  return {
    type: 'ApprovalUnknown',
    reason: 'ApprovalUnknown',
    message: `spec.approvedPlan ${hash} is the hash of no plan of this policy, and nothing was done. Approve what status.plan.hash says`,
  };
}

/** A list of hashes with one more, newest first. */
export function remembering(hashes: readonly string[] = [], hash: string | undefined): readonly string[] {
  if (hash === undefined || hashes.includes(hash)) return hashes;
  return [hash, ...hashes].slice(0, REMEMBERED);
}
