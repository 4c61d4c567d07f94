import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** Bytes that one call hands over at most: the event loop is busy with it for two or three tenths of a millisecond. */
const PIECE = 1024 * 1024;
/** Distance of the bytes that are looked for in memory: the kernel reads files ahead in pieces of this size. */
const SAMPLE = 128 * 1024;
/** `RWF_NOWAIT` of preadv2(2): fail instead of waiting for the disk. */
const NOWAIT = 8;

/** A range of an open file that somebody asked for. */
export interface Span {
  readonly fd: number;
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/** sendfile(2): bytes go from the page cache into a socket without ever being in this process. */
export interface Sendfile {
  /**
   * Hands over what the socket has room for, at most 1 MiB. Never waits: neither for the disk nor for the client.
   * @returns bytes, 0 where the other way has to be taken: the sink is no plain socket or has no room, or the bytes are not in memory
   */
  send(sink: Writable, span: Span): number;
  /** Reads bytes that are in memory, at once. @returns how many, 0 where they are not */
  read(buffer: Buffer, span: Span): number;
  /** Bytes handed over so far, which the sockets do not count. */
  readonly sent: number;
}

/** Undefined where this system has no such calls. Only Linux's arguments are known here. */
export async function openSendfile(): Promise<Sendfile | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const ffi = await import('node:ffi');
    const { functions } = ffi.dlopen(null, {
      sendfile: { arguments: ['int32', 'int32', 'buffer', 'uint64'], return: 'int64' },
      preadv2: { arguments: ['int32', 'buffer', 'int32', 'int64', 'int32'], return: 'int64' },
    });
    return new KernelSendfile(functions, ffi.getRawPointer);
  } catch {
    // Another C library, or a Node without the module: pooled buffers do the same with two copies more.
    return undefined;
  }
}

interface Calls {
  sendfile(to: number, from: number, position: Buffer, length: bigint): bigint;
  preadv2(fd: number, vectors: Buffer, count: number, position: bigint, flags: number): bigint;
}

class KernelSendfile implements Sendfile {
  readonly #calls: Calls;
  readonly #position = Buffer.alloc(8);
  readonly #addressOf: (buffer: Buffer) => bigint;
  /** Where samples are read to. */
  readonly #sample = Buffer.alloc(1);
  /** One `struct iovec`: where a buffer is, and its length. */
  readonly #vector = Buffer.alloc(16);
  sent = 0;

  constructor(calls: Calls, addressOf: (buffer: Buffer) => bigint) {
    this.#calls = calls;
    this.#addressOf = addressOf;
  }

  send(sink: Writable, { fd, start, end }: Span): number {
    const socket = descriptorOf(sink);
    if (socket === undefined) return 0;
    const length = Math.min(PIECE, end - start + 1);
    if (!this.#isInMemory(fd, start, length)) return 0;
    this.#position.writeBigInt64LE(BigInt(start));
    const count = Number(this.#calls.sendfile(socket, fd, this.#position, BigInt(length)));
    // Whatever the error is, the other way meets it as well, and can say what it is.
    if (count <= 0) return 0;
    this.sent += count;
    return count;
  }

  read(buffer: Buffer, { fd, start, end }: Span): number {
    const length = Math.min(buffer.byteLength, end - start + 1);
    this.#vector.writeBigUInt64LE(this.#addressOf(buffer), 0);
    this.#vector.writeBigUInt64LE(BigInt(length), 8);
    return Math.max(0, Number(this.#calls.preadv2(fd, this.#vector, 1, BigInt(start), NOWAIT)));
  }

  /** By samples: a page that was thrown out alone makes the loop wait for one read of the disk, which is rare. */
  #isInMemory(fd: number, start: number, length: number): boolean {
    for (let at = start; at < start + length; at += SAMPLE) if (!this.#isThere(fd, at)) return false;
    return this.#isThere(fd, start + length - 1);
  }

  #isThere(fd: number, position: number): boolean {
    return this.read(this.#sample, { fd, start: position, end: position }) === 1;
  }
}

/** Of a socket that encrypts nothing and has nothing left to write, so that the order of bytes is ours to choose. */
function descriptorOf(sink: Writable): number | undefined {
  if (!(sink instanceof Socket) || sink instanceof TLSSocket) return undefined;
  if (sink.destroyed || sink.writableLength > 0 || sink.writableCorked > 0 || sink.writableEnded) return undefined;
  const { fd } = (sink as Socket & { _handle?: { fd?: number } | null })._handle ?? {};
  return fd !== undefined && fd >= 0 ? fd : undefined;
}
