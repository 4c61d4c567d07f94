import { StoreError } from '../store.ts';
import { closed } from './faults.ts';
import type { Session } from './session.ts';

/** How long a connection is waited for, milliseconds: a little longer than a server takes to restart, less than a client waits. */
const PATIENCE = 5000;
const FIRST_DELAY = 50;
const LONGEST_DELAY = 1000;
/** Who may wait at once; past it the store says that it is busy instead of filling the memory. */
const MOST_WAITING = 10_000;

interface Waiting {
  readonly resolve: (session: Session) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export type Open = (onLost: (session: Session) => void) => Promise<Session>;

/**
 * At most `size` connections, opened when they are needed. Where one cannot be opened, one attempt at a time goes on with growing
 * delays while somebody waits; everybody who waits longer than `PATIENCE` gets the reason.
 */
export class Pool {
  readonly size: number;
  #open: Open;
  #idle: Session[] = [];
  #all = new Set<Session>();
  /** In use, and to be closed when they come back. */
  #stale = new WeakSet<Session>();
  #opening = 0;
  #waiting = new Set<Waiting>();
  #delay = 0;
  #pause: NodeJS.Timeout | undefined;
  #reason: Error | undefined;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(size: number, open: Open) {
    this.size = size;
    this.#open = open;
  }

  /** A connection of one's own until `release`. Rejects with StoreError. */
  acquire(): Promise<Session> {
    if (this.#closed) return Promise.reject(closed());
    const session = this.#idle.pop();
    if (session !== undefined) return Promise.resolve(session);
    if (this.#waiting.size >= MOST_WAITING)
      return Promise.reject(new StoreError('busy', 'too many requests wait for PostgreSQL; try again in a second'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(waiting), PATIENCE);
      const waiting = { resolve, reject, timer };
      this.#waiting.add(waiting);
      this.#grow();
    });
  }

  release(session: Session): void {
    if (this.#stale.has(session)) session.destroy();
    if (session.lost || this.#stale.has(session)) {
      this.#forget(session);
    } else if (this.#closed) {
      this.#all.delete(session);
      void session.close().then(() => this.#settle());
    } else {
      this.#hand(session);
    }
  }

  /** The server is not the one to talk to any more (it became a standby, it went silent): connections are made anew. */
  renew(): void {
    for (const session of this.#all) this.#stale.add(session);
    for (const session of this.#idle.splice(0)) {
      session.destroy();
      this.#all.delete(session);
    }
    this.#grow();
  }

  /** Lets what runs end, then closes. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#refuse(closed());
    const idle = this.#idle.splice(0);
    for (const session of idle) this.#all.delete(session);
    await Promise.all(idle.map((session) => session.close()));
    if (this.#all.size + this.#opening > 0)
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
  }

  #grow(): void {
    if (this.#closed || this.#pause !== undefined) return;
    const failing = this.#delay > 0;
    const most = failing ? 1 : Math.min(this.#waiting.size, this.size - this.#all.size);
    while (this.#opening < most && this.#waiting.size > 0) this.#add();
  }

  #add(): void {
    this.#opening += 1;
    this.#open((session) => this.#forget(session)).then(
      (session) => {
        this.#opening -= 1;
        this.#delay = 0;
        this.#reason = undefined;
        this.#all.add(session);
        this.release(session);
        this.#grow();
      },
      (error: Error) => {
        this.#opening -= 1;
        this.#reason = error;
        // Waiting helps where a server is away; it does not help against a wrong password.
        if (!(error instanceof StoreError && error.kind === 'busy')) this.#refuse(error);
        this.#backOff();
        this.#settle();
      },
    );
  }

  #backOff(): void {
    if (this.#closed || this.#pause !== undefined) return;
    this.#delay = Math.min(LONGEST_DELAY, Math.max(FIRST_DELAY, this.#delay * 2));
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.#grow();
      },
      this.#delay * (0.5 + Math.random()),
    );
  }

  #hand(session: Session): void {
    const [first] = this.#waiting;
    if (first === undefined) this.#idle.push(session);
    else this.#answer(first, (one) => one.resolve(session));
  }

  #forget(session: Session): void {
    this.#all.delete(session);
    const at = this.#idle.indexOf(session);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#settle();
    this.#grow();
  }

  #refuse(error: Error): void {
    for (const waiting of this.#waiting) this.#answer(waiting, (one) => one.reject(error));
  }

  #giveUp(waiting: Waiting): void {
    const busy = () =>
      new StoreError(
        'busy',
        'every connection to PostgreSQL is in use; try again, or raise metadata.postgres.poolSize',
      );
    this.#answer(waiting, (one) => one.reject(this.#reason ?? busy()));
  }

  #answer(waiting: Waiting, tell: (waiting: Waiting) => void): void {
    clearTimeout(waiting.timer);
    this.#waiting.delete(waiting);
    tell(waiting);
  }

  #settle(): void {
    if (this.#closed && this.#all.size + this.#opening === 0) this.#whenIdle?.();
  }
}
