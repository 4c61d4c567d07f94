import { createHmac, randomBytes } from 'node:crypto';
import { Refusal } from '../../domain/errors.ts';
import { decoy, matches } from './bcrypt.ts';
import { Memory } from './memory.ts';
import type { User, Users } from './users.ts';

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

export interface PasswordOptions {
  /** The users of now; asked on every check, so that a removed user is gone at once. */
  readonly users: () => Users;
  /** Told about every check that ran or was refused for want of room. */
  readonly onCheck?: (result: 'right' | 'wrong' | 'refused') => void;
  /** Checks that run at once; each keeps a thread of libuv's pool busy, which reads files too. */
  readonly concurrency?: number;
  /** Checks that wait for their turn, in all and of one client address. */
  readonly waiting?: { all: number; address: number };
}

/** Verified credentials that are remembered. */
const remembered = 2_000;

/**
 * Checks passwords without holding up the event loop: off the main thread, a bounded number at a time. Verified ones are
 * remembered by a keyed digest for as long as the user's hash stays the same. A name that nobody has costs as much time as a wrong password.
 */
export class Passwords {
  readonly #users: () => Users;
  readonly #onCheck: (result: 'right' | 'wrong' | 'refused') => void;
  readonly #concurrency: number;
  readonly #waitingLimit: { all: number; address: number };
  /** Known to this process alone, so that a memory dump of digests cannot be tried out elsewhere. */
  readonly #key = randomBytes(32);
  /** Digest of credentials to the hash that they were verified against. */
  readonly #verified = new Memory<string>(remembered);
  /** Checks under way, so that thirty requests with the same password cost one. */
  readonly #underWay = new Map<string, Promise<User | undefined>>();
  readonly #queue: (() => void)[] = [];
  readonly #waitingOf = new Map<string, number>();
  #running = 0;

  constructor({
    users,
    onCheck = () => undefined,
    concurrency = 2,
    waiting = { all: 64, address: 16 },
  }: PasswordOptions) {
    this.#users = users;
    this.#onCheck = onCheck;
    this.#concurrency = concurrency;
    this.#waitingLimit = waiting;
  }

  /**
   * The user whose password this is, or undefined. At once where it was verified before.
   * @param address client address, for a fair share of the checks
   * @throws Refusal TOOMANYREQUESTS (with Retry-After) where too many checks wait
   */
  verify(credentials: Credentials, address: string): User | undefined | Promise<User | undefined> {
    const key = this.#digest(credentials);
    const user = this.#users().get(credentials.name);
    if (user !== undefined && this.#verified.get(key) === user.hash) return user;
    const known = this.#underWay.get(key);
    if (known !== undefined) return known;
    const check = this.#inTurn(address, () => this.#check(credentials, key)).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, check);
    return check;
  }

  async #check({ name, password }: Credentials, key: string): Promise<User | undefined> {
    const users = this.#users();
    const user = users.get(name);
    const right = await matches(password, user?.hash ?? decoy(users.usualCost));
    this.#onCheck(right ? 'right' : 'wrong');
    // The files may have changed meanwhile: only what holds now counts.
    const now = this.#users().get(name);
    if (!right || user === undefined || now?.hash !== user.hash) return undefined;
    this.#verified.set(key, user.hash);
    return now;
  }

  async #inTurn<T>(address: string, run: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#concurrency) await this.#wait(address);
    else this.#running++;
    try {
      return await run();
    } finally {
      // The place goes to the next in line, or is free.
      const next = this.#queue.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #wait(address: string): Promise<void> {
    const mine = this.#waitingOf.get(address) ?? 0;
    if (this.#queue.length >= this.#waitingLimit.all || mine >= this.#waitingLimit.address) {
      this.#onCheck('refused');
      throw new Refusal(
        'TOOMANYREQUESTS',
        'too many passwords are being checked; try again in a second, or use a token',
        {
          headers: { 'retry-after': '1' },
        },
      );
    }
    this.#waitingOf.set(address, mine + 1);
    return new Promise((resolve) => {
      this.#queue.push(() => {
        const left = (this.#waitingOf.get(address) ?? 1) - 1;
        if (left === 0) this.#waitingOf.delete(address);
        else this.#waitingOf.set(address, left);
        resolve();
      });
    });
  }

  #digest({ name, password }: Credentials): string {
    return createHmac('sha256', this.#key).update(`${name}\0${password}`).digest('base64');
  }
}

/** Reads `Authorization: Basic …` (RFC 7617, UTF-8). Undefined where it is not well-formed, or holds NUL, which bcrypt would end at. */
export function parseBasic(value: string): Credentials | undefined {
  const encoded = /^[A-Za-z0-9+/_-]+={0,2}$/.test(value) ? value : '';
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(encoded, 'base64'));
  } catch {
    return undefined;
  }
  const colon = text.indexOf(':');
  if (colon <= 0 || text.includes('\0')) return undefined;
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
