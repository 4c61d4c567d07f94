import { randomInt } from 'node:crypto';
// At the start: loaded with the first password, when V8 no longer takes Node's own modules as compiled, it takes 10 MB more.
import bcrypt from 'bcrypt';

const alphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Cost of the hashes that we make: some 60 ms on a core of 2020. */
const cost = 10;

/** bcrypt looks at 72 bytes of a password and no more. */
export const longestPassword = 72;

/** Checks a password on libuv's thread pool: the event loop goes on meanwhile. */
export function matches(password: string, hash: string): Promise<boolean> {
  // $2y$ is crypt_blowfish's name for the algorithm that OpenBSD calls $2b$.
  return bcrypt.compare(password, hash.startsWith('$2y$') ? `$2b$${hash.slice(4)}` : hash);
}

/** The hash of a new password, in the form that htpasswd files hold. */
export function hashPassword(password: string): Promise<string> {
  return bcrypt.hash(password, cost);
}

/** A hash of no password: checking against it takes as long as against a user's of that cost, and fails. */
export function decoy(cost: number): string {
  let rest = '';
  for (let i = 0; i < 53; i++) rest += alphabet[randomInt(alphabet.length)];
  return `$2b$${String(cost).padStart(2, '0')}$${rest}`;
}
