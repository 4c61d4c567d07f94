import type { Piece, Span } from './piece-reader.ts';
import { Scanner } from './scanner.ts';

/** How a file is cut up. */
export interface Pieces {
  /** Stays open meanwhile. */
  readonly fd: number;
  /** Behind an image. */
  readonly from: number;
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes of a piece. */
  readonly piece: number;
  readonly threads: number;
  readonly separator: Uint8Array;
}

/** So many pieces for each thread are under way or waiting: each is at work while others are taken. */
const ahead = 3;

/**
 * Has threads read the pieces of a file.
 * @returns the pieces in order; only the first is known to begin behind an image. The threads end with it
 * @throws Error where a thread has died, or cannot read the file
 */
export async function* readPieces({ fd, from, size, piece, threads, separator }: Pieces): AsyncGenerator<Piece> {
  const scanners = Array.from({ length: threads }, () => new Scanner({ fd, separator }));
  const pending: Promise<Piece>[] = [];
  let ordered = 0;
  try {
    for (const span of spansOf({ from, size, piece })) {
      const scanner = scanners[ordered++ % threads] as Scanner;
      pending.push(scanner.read(span, span.begin === from));
      if (pending.length === ahead * threads) yield (await pending.shift()) as Piece;
    }
    for (const piece of pending) yield await piece;
  } finally {
    await Promise.all(scanners.map((scanner) => scanner.end()));
  }
}

/** The pieces, in order and without gaps. */
export function* spansOf({ from, size, piece }: Pick<Pieces, 'from' | 'size' | 'piece'>): Generator<Span> {
  for (let begin = from; begin < size; begin += piece) yield { begin, end: Math.min(begin + piece, size) };
}
