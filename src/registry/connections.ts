import type { Socket } from 'node:net';

/** Who was never answered and sent no more than this, bytes, is idle; a body on its way is not. */
const hardlyAnything = 16 * 1024;

/**
 * The open connections of a listener, at most so many. When there are as many, one of the address that has most gives way,
 * an idle one first: opening thousands keeps nobody else out. An address that has a quarter of all gives up its own idle ones
 * before that, so that its thousands cost no memory.
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
    const mine = this.#byAddress.get(address) ?? new Set();
    if (this.#open >= this.#most) this.#whoGivesWay(address, socket).destroy();
    else if (mine.size >= this.#most / 4) idleOf(mine)?.destroy();
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
    return idleOf(most) ?? (heaviest === address ? newcomer : ([...most].at(-1) ?? newcomer));
  }
}

/** The oldest that is idle. */
function idleOf(sockets: ReadonlySet<Socket>): Socket | undefined {
  for (const socket of sockets) if (isIdle(socket)) return socket;
  return undefined;
}

function isIdle({ bytesRead, bytesWritten, destroyed }: Socket): boolean {
  return !destroyed && bytesWritten === 0 && bytesRead <= hardlyAnything;
}
