import type { Socket } from 'node:net';
import { Answers } from './answers.ts';
import type { Rooms } from './api.ts';
import { QuickConnection } from './quick-connection.ts';

/** Milliseconds. */
export interface LaneTimeouts {
  /** Until a new connection has sent its first request. */
  readonly first: number;
  /** Between two requests. */
  readonly keepAlive: number;
}

/**
 * Answers the pulls that a registry gets all day straight on the connection: `GET` and `HEAD` of manifests, `GET` of whole
 * blobs. Node's HTTP server spends 50 µs on a request whatever is done with it; a look-up in memory takes one. Every
 * connection begins here, and the first request that is anything else hands it over to Node's server for good, with the
 * request unread: refusals, misses, bodies, ranges, conditions and whatever looks odd have one implementation, there.
 */
export class QuickLane {
  readonly #rooms: Rooms;
  readonly #answers: Answers;
  readonly #timeouts: LaneTimeouts;
  readonly #connections = new Set<QuickConnection>();
  #leaving = false;

  constructor(rooms: Rooms, timeouts: LaneTimeouts) {
    this.#rooms = rooms;
    this.#timeouts = timeouts;
    this.#answers = new Answers(rooms.now, Math.floor(timeouts.keepAlive / 1000));
  }

  /** Takes a new connection. `serve` gives it to Node's server. */
  take(socket: Socket, serve: () => void): void {
    // Node's server ends such a connection with its first answer.
    if (this.#leaving) {
      serve();
      return;
    }
    const connection = new QuickConnection(socket, {
      rooms: this.#rooms,
      answers: this.#answers,
      timeouts: this.#timeouts,
      serve,
      left: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  /** Answers nothing more: who asks again is handed over. With `end`, connections that wait for nothing are closed. */
  leave(end: boolean): void {
    this.#leaving = true;
    for (const connection of [...this.#connections]) connection.leave(end);
  }
}
