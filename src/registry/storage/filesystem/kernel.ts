/** `RWF_NOWAIT` of preadv2(2): fail instead of waiting for the disk. */
const NOWAIT = 8;
/** `F_DUPFD_CLOEXEC` of fcntl(2). */
const DUPLICATE = 1030;
/** `EFD_CLOEXEC | EFD_NONBLOCK` of eventfd(2). */
const EVENT_FLAGS = 0o2004000;
/** Distance of the bytes that are looked for in memory: the kernel reads files ahead in pieces of this size. */
const SAMPLE = 128 * 1024;

/** A range of an open file that somebody asked for. */
export interface Span {
  readonly fd: number;
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

interface Calls {
  sendfile(to: number, from: number, position: Buffer, length: bigint): bigint;
  preadv2(fd: number, vectors: Buffer, count: number, position: bigint, flags: number): bigint;
  fcntl(fd: number, command: number, least: number): number;
  close(fd: number): number;
  poll(polled: Buffer, count: bigint, milliseconds: number): number;
  eventfd(value: number, flags: number): number;
  eventfd_write(fd: number, value: bigint): number;
  eventfd_read(fd: number, value: Buffer): number;
}

/** Undefined where this system has no such calls. Only Linux's arguments are known here. */
export async function openKernel(): Promise<Kernel | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const ffi = await import('node:ffi');
    const { functions } = ffi.dlopen(null, {
      sendfile: { arguments: ['int32', 'int32', 'buffer', 'uint64'], return: 'int64' },
      preadv2: { arguments: ['int32', 'buffer', 'int32', 'int64', 'int32'], return: 'int64' },
      fcntl: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
      close: { arguments: ['int32'], return: 'int32' },
      poll: { arguments: ['buffer', 'uint64', 'int32'], return: 'int32' },
      eventfd: { arguments: ['uint32', 'int32'], return: 'int32' },
      eventfd_write: { arguments: ['int32', 'uint64'], return: 'int32' },
      eventfd_read: { arguments: ['int32', 'buffer'], return: 'int32' },
    });
    return new Kernel(functions, ffi.getRawPointer);
  } catch {
    // Another C library, or a Node without the module: pooled buffers do the same with two copies more.
    return undefined;
  }
}

/** Calls that Node does not make, for one thread. None of them but `wait` waits, for the disk or for a client. */
export class Kernel {
  readonly #calls: Calls;
  readonly #position = Buffer.alloc(8);
  readonly #addressOf: (buffer: Buffer) => bigint;
  /** Where samples are read to. */
  readonly #sample = Buffer.alloc(1);
  /** One `struct iovec`: where a buffer is, and its length. */
  readonly #vector = Buffer.alloc(16);

  constructor(calls: Calls, addressOf: (buffer: Buffer) => bigint) {
    this.#calls = calls;
    this.#addressOf = addressOf;
  }

  /** sendfile(2) to a socket, of bytes that are in memory. @returns how many it had room for; 0 too where they are not, or it fails */
  send(socket: number, span: Span): number {
    if (!this.#isInMemory(span)) return 0;
    const { fd, start, end } = span;
    this.#position.writeBigInt64LE(BigInt(start));
    const count = this.#calls.sendfile(socket, fd, this.#position, BigInt(end - start + 1));
    return Math.max(0, Number(count));
  }

  /** Reads bytes that are in memory. @returns how many, 0 where they are not */
  read(buffer: Buffer, { fd, start, end }: Span): number {
    const length = Math.min(buffer.byteLength, end - start + 1);
    this.#vector.writeBigUInt64LE(this.#addressOf(buffer), 0);
    this.#vector.writeBigUInt64LE(BigInt(length), 8);
    return Math.max(0, Number(this.#calls.preadv2(fd, this.#vector, 1, BigInt(start), NOWAIT)));
  }

  /** Another descriptor of the same socket, which goes on being that whatever becomes of the first. Undefined where none is left. */
  duplicate(socket: number): number | undefined {
    const made = this.#calls.fcntl(socket, DUPLICATE, 0);
    return made >= 0 ? made : undefined;
  }

  close(fd: number): void {
    this.#calls.close(fd);
  }

  /** eventfd(2), by which one thread wakes another that waits. Undefined where no descriptor is left. */
  bell(): number | undefined {
    const made = this.#calls.eventfd(0, EVENT_FLAGS);
    return made >= 0 ? made : undefined;
  }

  ring(bell: number): void {
    this.#calls.eventfd_write(bell, 1n);
  }

  /** Until it is rung again. */
  silence(bell: number): void {
    this.#calls.eventfd_read(bell, this.#position);
  }

  /** poll(2): waits until anything of it has happened, which stands in it then, or for so long. @param polled one `struct pollfd` after another */
  wait(polled: Buffer, milliseconds: number): void {
    this.#calls.poll(polled, BigInt(polled.byteLength / 8), milliseconds);
  }

  /** By samples: a page that was thrown out alone makes the thread wait for one read of the disk, which is rare. */
  #isInMemory({ fd, start, end }: Span): boolean {
    for (let at = start; at < end; at += SAMPLE) if (!this.#isThere(fd, at)) return false;
    return this.#isThere(fd, end);
  }

  #isThere(fd: number, position: number): boolean {
    return this.read(this.#sample, { fd, start: position, end: position }) === 1;
  }
}

/** The first bytes of a span, at most so many. */
export function first(most: number, { fd, start, end }: Span): Span {
  return { fd, start, end: Math.min(end, start + most - 1) };
}

export function lengthOf({ start, end }: Span): number {
  return end - start + 1;
}
