/** How soon a policy is looked at again: often while something is under way, seldom otherwise. */
import type { Cached } from '../kube/cache.ts';
import type { RetentionPolicyResource } from './resource.ts';
import type { PolicyState } from './state.ts';

/** For so long after a change, or a request, something is expected to happen. */
const attendedMs = 60_000;
const secondsUnderWay = 5;
const secondsLoading = 1;
const secondsIdle = 30;
/** Policies that are asked about in a second, all of them idle. */
const asksPerSecond = 20;

interface Around {
  readonly policies: Pick<Cached<RetentionPolicyResource>, 'list'>;
  readonly now: () => Date;
}

export class Attention {
  readonly #until = new Map<string, number>();

  /** Something was asked of the registry just now. */
  attend(policy: RetentionPolicyResource, { now }: Around): void {
    this.#until.set(keyOf(policy), now().getTime() + attendedMs);
  }

  forget(key: string): void {
    this.#until.delete(key);
  }

  /** Seconds until the next look: never later than shortly after the next evaluation is due. */
  secondsUntilNextLook(policy: RetentionPolicyResource, state: PolicyState | undefined, around: Around): number {
    const now = around.now().getTime();
    if ((state?.generation ?? -1) < (policy.metadata.generation ?? 0)) return secondsLoading;
    const next = Date.parse(state?.nextEvaluation ?? '');
    if ((this.#until.get(keyOf(policy)) ?? 0) > now || next <= now) return secondsUnderWay;
    const idle = Math.max(secondsIdle, around.policies.list().length / asksPerSecond) * (0.8 + Math.random() * 0.4);
    return Number.isNaN(next) ? idle : Math.min(idle, (next - now) / 1000 + 2);
  }
}

function keyOf({ metadata: { namespace, name } }: RetentionPolicyResource): string {
  return `${namespace}/${name}`;
}
