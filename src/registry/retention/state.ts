import type { RetentionPolicyStatusPlan } from '../../api/v1alpha1/retention-policy.gen.ts';
import type { RuleRow } from '../metadata/rules.ts';
import type { Problem } from '../rules/keeper.ts';

/** What the worker knows of a policy, kept beside it: what is shown is shaped like the resource's status. */
export interface RetentionState {
  /** That the worker has seen. */
  readonly generation: number;
  /** RFC 3339. */
  readonly lastEvaluation?: string;
  readonly nextEvaluation?: string;
  readonly plan?: RetentionPolicyStatusPlan;
  readonly totals: Totals;
  /** Those that last; what changes with the hour (reports of clusters) is added when somebody asks. */
  readonly problems: readonly Problem[];
  /** The last ones, newest first. */
  readonly events?: readonly RetentionEvent[];
  /** Of the worker alone. */
  readonly own: Own;
}

export interface Totals {
  readonly expired: number;
  readonly expiredBytes: number;
  readonly blockedInUse: number;
}

export interface RetentionEvent {
  /** RFC 3339. */
  readonly at: string;
  readonly reason: string;
  readonly message: string;
}

interface Own {
  /** The plan that `plan` shows, as a record. */
  readonly record?: string | undefined;
  /** Digest of its text. */
  readonly sum?: string | undefined;
  /** Fingerprint of what says what expires: a plan that another policy made is no longer waited for. */
  readonly policy?: string;
  /** It failed, and is tried again then: milliseconds since the epoch. */
  readonly retryAt?: number;
  /** Nothing was expired, because some cluster had not reported yet. */
  readonly waiting?: boolean;
  /** Hashes of plans that were applied, newest first: each is applied once. */
  readonly applied?: readonly string[];
  /** Hashes of plans whose time to be approved is over, newest first. */
  readonly lapsed?: readonly string[];
}

export const noState: RetentionState = {
  generation: -1,
  totals: { expired: 0, expiredBytes: 0, blockedInUse: 0 },
  problems: [],
  own: {},
};

/** What is kept of a rule; nothing where it is new. */
export function stateOf({ state }: Pick<RuleRow, 'state'>): RetentionState {
  return state === undefined ? noState : { ...noState, ...(JSON.parse(state) as Partial<RetentionState>) };
}
