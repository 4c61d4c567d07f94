import type { Socket } from 'node:net';

/** Who was never answered and sent no more than this, bytes, is idle; a body on its way is not. */
const hardlyAnything = 16 * 1024;

/**
 * The open connections of a listener, at most so many. When there are as many, one of the address that has most gives way,
 * an idle one first: opening thousands keeps nobody else out.
 */
export class Connections {
  readonly #most: number;
  readonly #byAddress = new Map<string, Set<Socket>>();
  #open = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#open;
  }

  /** Counts a new connection in, and out again when it closes; may end another one, or this one. */
  enter(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    if (this.#open >= this.#most) this.#whoGivesWay(address, socket).destroy();
    const mine = this.#byAddress.get(address) ?? new Set();
    this.#byAddress.set(address, mine.add(socket));
    this.#open++;
    socket.once('close', () => {
      this.#open--;
      mine.delete(socket);
      if (mine.size === 0 && this.#byAddress.get(address) === mine) this.#byAddress.delete(address);
    });
  }

  *[Symbol.iterator](): Generator<Socket> {
    for (const sockets of this.#byAddress.values()) yield* sockets;
  }

  #whoGivesWay(address: string, newcomer: Socket): Socket {
    let [heaviest, most] = [address, this.#byAddress.get(address) ?? new Set<Socket>()];
    for (const [other, sockets] of this.#byAddress) if (sockets.size > most.size) [heaviest, most] = [other, sockets];
    for (const socket of most) if (isIdle(socket)) return socket;
    return heaviest === address ? newcomer : ([...most].at(-1) ?? newcomer);
  }
}

function isIdle({ bytesRead, bytesWritten, destroyed }: Socket): boolean {
  return !destroyed && bytesWritten === 0 && bytesRead <= hardlyAnything;
}
