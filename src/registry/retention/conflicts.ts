import type { Selection } from '../../domain/retention/selection.ts';
import type { Problem } from '../rules/keeper.ts';

/** Names that a message has room for. */
const MOST_NAMED = 5;

/** Repositories for which a policy and others are equally specific: none of them acts there. */
export class Conflicts {
  #count = 0;
  readonly #repositories: string[] = [];
  readonly #policies = new Set<string>();

  add(repository: string, { conflict }: Extract<Selection, { conflict: unknown }>): void {
    this.#count += 1;
    if (this.#repositories.length < MOST_NAMED) this.#repositories.push(repository);
    for (const policy of conflict) if (this.#policies.size < MOST_NAMED * 2) this.#policies.add(policy);
  }

  /** For the policy `name`. */
  problem(name: string): Problem | undefined {
    if (this.#count === 0) return undefined;
    const others = [...this.#policies].filter((policy) => policy !== name).join(', ');
    const more = this.#count > this.#repositories.length ? ` and ${this.#count - this.#repositories.length} more` : '';
    const where = `${this.#repositories.join(', ')}${more}`;
    const message = `this policy and ${others} select the same repositories with equally specific patterns, and none of them acts there: ${where}. Make one more specific, or exclude them from the others`;
    return { type: 'Conflict', reason: 'Conflict', message };
  }
}
