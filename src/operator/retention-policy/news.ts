/** Tells what registries did for policies as events of Kubernetes, each once. */

import { happeningsIn } from '../rules/state.ts';
import type { Events } from '../runtime/events.ts';
import type { RetentionPolicyResource } from './resource.ts';

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

  forget(key: string): void {
    this.#told.delete(key);
  }
}
