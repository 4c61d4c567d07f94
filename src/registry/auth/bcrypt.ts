import { randomInt } from 'node:crypto';

const alphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Cost of the hashes that we make: some 60 ms on a core of 2020. */
const cost = 10;

/** bcrypt looks at 72 bytes of a password and no more. */
export const longestPassword = 72;

/** Loaded with the first password: a registry starts sooner without. */
const loaded = async () => (await import('bcrypt')).default;

/** Checks a password on libuv's thread pool: the event loop goes on meanwhile. */
export async function matches(password: string, hash: string): Promise<boolean> {
  const bcrypt = await loaded();
  // $2y$ is crypt_blowfish's name for the algorithm that OpenBSD calls $2b$.
  return bcrypt.compare(password, hash.startsWith('$2y$') ? `$2b$${hash.slice(4)}` : hash);
}

/** The hash of a new password, in the form that htpasswd files hold. */
export async function hashPassword(password: string): Promise<string> {
  const bcrypt = await loaded();
  return bcrypt.hash(password, cost);
}

/** A hash of no password: checking against it takes as long as against a user's of that cost, and fails. */
export function decoy(cost: number): string {
  let rest = '';
  for (let i = 0; i < 53; i++) rest += alphabet[randomInt(alphabet.length)];
  return `$2b$${String(cost).padStart(2, '0')}$${rest}`;
}
