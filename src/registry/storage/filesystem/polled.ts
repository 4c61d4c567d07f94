/** Bytes of one `struct pollfd`: a descriptor, what is waited for, what has happened. */
const ENTRY = 8;
const READABLE = 1;
const WRITABLE = 4;

/** What poll(2) is asked about: room in sockets, and a bell. */
export class Polled {
  readonly bytes: Buffer;

  constructor(bell: number, sockets: readonly { readonly socket: number }[]) {
    this.bytes = Buffer.alloc(ENTRY * (sockets.length + 1));
    this.#put(0, bell, READABLE);
    for (const [index, { socket }] of sockets.entries()) this.#put(index + 1, socket, WRITABLE);
  }

  get rung(): boolean {
    return this.bytes.readInt16LE(6) !== 0;
  }

  /** Whether a socket has room, or is of no more use. */
  happened(index: number): boolean {
    return this.bytes.readInt16LE((index + 1) * ENTRY + 6) !== 0;
  }

  #put(index: number, fd: number, events: number): void {
    this.bytes.writeInt32LE(fd, index * ENTRY);
    this.bytes.writeInt16LE(events, index * ENTRY + 4);
  }
}
