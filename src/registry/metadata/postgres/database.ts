import { setTimeout as wait } from 'node:timers/promises';
import { Pool } from './pool.ts';
import { openSession, QueryFailure, type Server, type Session, type Statement } from './session.ts';

/** How often a write that certainly did nothing is tried in all, and how long a read is (milliseconds). */
const MOST_ATTEMPTS = 8;
const READ_PATIENCE = 5000;

/** A database behind a bounded pool of connections, with the retries that are safe. Throws StoreError, or Error for a bug of ours. */
export class Database {
  #pool: Pool;

  constructor(server: Server, poolSize: number) {
    this.#pool = new Pool(poolSize, (onLost) => openSession(server, onLost));
  }

  /** A read: sent again on a new connection where its own is lost. */
  async read<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const deadline = performance.now() + READ_PATIENCE;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.session((session) => session.query<Row>(statement, values));
      } catch (error) {
        if (!(error instanceof QueryFailure)) throw error;
        const { again, lost } = error.failure;
        if (!(again || lost) || performance.now() > deadline) throw error.failure.error;
        await wait(pause(attempt));
      }
    }
  }

  /**
   * A write that is one statement, and so one transaction. Sent again only where certainly nothing was committed; where the
   * connection is lost meanwhile nobody knows, and the caller is told so.
   * @param options.repeatable done twice it is as if done once, so that it is sent again in that case as well
   */
  async write<Row extends object>(
    statement: Statement,
    values: readonly unknown[],
    { repeatable = false } = {},
  ): Promise<Row[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.session((session) => session.query<Row>(statement, values));
      } catch (error) {
        if (!(error instanceof QueryFailure)) throw error;
        const { again, doubtful = false } = error.failure;
        if (!(again || (repeatable && doubtful)) || attempt === MOST_ATTEMPTS) throw error.failure.error;
        await wait(pause(attempt));
      }
    }
  }

  /** Runs work on a connection of its own. Throws what the work throws: QueryFailure where a query failed. */
  async session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#pool.acquire();
    try {
      return await work(session);
    } catch (error) {
      if (error instanceof QueryFailure && error.failure.lost) this.#pool.renew();
      throw error;
    } finally {
      this.#pool.release(session);
    }
  }

  /** Runs work in a transaction that begins with `begin`; nothing is tried again. Throws StoreError. */
  async transaction<T>(begin: string, work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.session(async (session) => {
        await session.query(begin);
        try {
          const value = await work(session);
          await session.query('COMMIT');
          return value;
        } catch (error) {
          if (!session.lost) await session.query('ROLLBACK').catch(() => session.destroy());
          throw error;
        }
      });
    } catch (error) {
      throw error instanceof QueryFailure ? error.failure.error : error;
    }
  }

  /** A connection for as long as its borrower needs it; he gives it back in any case. */
  borrow(): Promise<Session> {
    return this.#pool.acquire();
  }

  giveBack(session: Session): void {
    this.#pool.release(session);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

function pause(attempt: number): number {
  return Math.min(1000, 10 * 2 ** attempt) * (0.5 + Math.random());
}
