/** Tells what registries did for policies as events of Kubernetes, each once. */

import { describeBytes } from '../registry/quantity.ts';
import { happeningsIn } from '../rules/state.ts';
import type { Events } from '../runtime/events.ts';
import type { RetentionPolicyResource } from './resource.ts';
import type { PolicyState } from './state.ts';

/** Told of at one look; the registry's log and change feed have every one. */
const mostAtOnce = 5;

export class News {
  readonly #events: Events;
  readonly #since: string;
  /** The time of what was last told of each policy. */
  readonly #told = new Map<string, string>();

  /** @param since what happened before was told by an operator before this one, or is too old to tell */
  constructor(events: Events, since: Date) {
    this.#events = events;
    this.#since = since.toISOString();
  }

  tell(policy: RetentionPolicyResource, state: unknown): void {
    const key = `${policy.metadata.namespace}/${policy.metadata.name}`;
    const happenings = happeningsIn(state, this.#told.get(key) ?? this.#since);
    const last = happenings.at(-1);
    if (last === undefined) return;
    this.#told.set(key, last.at);
    for (const { reason, message } of happenings.slice(-mostAtOnce)) {
      this.#events.record(policy, { type: 'Normal', reason, note: message });
    }
  }

  /** Tells what changed since the status was last written: that is told by whichever operator writes the next one. */
  tellProgress(policy: RetentionPolicyResource, state: PolicyState): void {
    const note = progress(policy, state);
    if (note !== undefined) this.#events.record(policy, { type: 'Normal', ...note });
  }

  forget(key: string): void {
    this.#told.delete(key);
  }
}

function progress(
  { spec, status }: RetentionPolicyResource,
  { totals, plan }: PolicyState,
): { reason: string; note: string } | undefined {
  const expired = (totals?.expired ?? 0) - (status?.totals?.expired ?? 0);
  if (expired > 0) {
    const bytes = Math.max(0, (totals?.expiredBytes ?? 0) - (status?.totals?.expiredBytes ?? 0));
    return { reason: 'Expired', note: `${images(expired)} expired (${describeBytes(bytes)})` };
  }
  const isNew = plan?.hash !== undefined && plan.hash !== status?.plan?.hash;
  if (!isNew || !plan?.expiring || (spec.mode ?? 'Enforce') === 'Enforce') return undefined;
  const blocked = plan.blockedInUse ? `; ${images(plan.blockedInUse)} more would, but are in use` : '';
  const what = `the plan ${plan.hash} expires ${images(plan.expiring)} (${describeBytes(plan.expiringBytes ?? 0)})${blocked}`;
  return { reason: 'Planned', note: what };
}

function images(count: number): string {
  return count === 1 ? '1 image' : `${count} images`;
}
