import type { Writable } from 'node:stream';
import { descriptorOf } from './descriptor.ts';
import { first, type Kernel, lengthOf, openKernel, type Span } from './kernel.ts';
import { type Occasion, Sender } from './sender.ts';

/** Bytes that the event loop hands over at most in a turn: it is busy with them for two or three tenths of a millisecond. */
const TURN = 1024 * 1024;

/** What became of a piece. */
export interface Handed {
  /** Bytes; 0 where the other way has to be taken: the sink is no plain socket or has no room, or the bytes are not in memory. */
  readonly count: number;
  /** The socket had room for all of it. */
  readonly roomy: boolean;
}

/** sendfile(2): bytes go from the page cache into a socket without ever being in this process. */
export class Sendfile {
  /** Helps where there is much to send. */
  readonly sender: Sender;
  readonly #kernel: Kernel;
  #sent = 0;

  constructor(kernel: Kernel, occasion: Occasion) {
    this.#kernel = kernel;
    this.sender = new Sender(kernel, occasion);
  }

  /** Bytes handed over so far, which the sockets do not count. */
  get sent(): number {
    return this.#sent + this.sender.sent;
  }

  /** Hands over what the socket has room for, at most 1 MiB. Never waits: neither for the disk nor for the client. */
  send(sink: Writable, span: Span): Handed {
    const socket = descriptorOf(sink);
    if (socket === undefined) return { count: 0, roomy: false };
    const piece = first(TURN, span);
    const count = this.#kernel.send(socket, piece);
    this.#sent += count;
    this.sender.note(count, span);
    return { count, roomy: count === lengthOf(piece) };
  }

  /** Reads bytes that are in memory, at once. @returns how many, 0 where they are not */
  read(buffer: Buffer, span: Span): number {
    return this.#kernel.read(buffer, span);
  }
}

/** Undefined where this system has no such call. @param occasion as for `Sender` */
export async function openSendfile(occasion: Occasion): Promise<Sendfile | undefined> {
  const kernel = await openKernel();
  return kernel && new Sendfile(kernel, occasion);
}
