import { hash } from 'node:crypto';
import type { Role } from '../../domain/access/decide.ts';
import { costOf, type Hashes } from './htpasswd.ts';

export interface User {
  readonly name: string;
  /** bcrypt hash in its text form. */
  readonly hash: string;
  readonly role: Exclude<Role, 'anonymous'>;
  /** Changes with the password: a token carries it, so that a new password ends the old tokens. Tells nothing of the hash. */
  readonly stamp: string;
}

/** Everybody who may come with a password. Made anew whenever a file changes; never changed. */
export class Users {
  readonly #users = new Map<string, User>();
  /** Cost of a check for a name that nobody has: that of most users. */
  readonly usualCost: number;

  /**
   * @param files in order: where a name is in several, the first counts
   * @param administrators names that may also administer
   */
  constructor(files: readonly Hashes[], administrators: readonly string[]) {
    const administering = new Set(administrators);
    for (const file of files) {
      for (const [name, bcrypt] of file) {
        if (this.#users.has(name)) continue;
        const stamp = hash('sha256', bcrypt, 'base64url').slice(0, 16);
        this.#users.set(name, { name, hash: bcrypt, role: administering.has(name) ? 'administrator' : 'user', stamp });
      }
    }
    this.usualCost = mostFrequent([...this.#users.values()].map((user) => costOf(user.hash))) ?? 10;
  }

  get(name: string): User | undefined {
    return this.#users.get(name);
  }

  get size(): number {
    return this.#users.size;
  }
}

function mostFrequent(numbers: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
