/** A thread that reads pieces of a file of images, as it is ordered to. */
import { readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { buffersOf } from '../../domain/retention/image-columns.ts';
import { PieceReader } from './piece-reader.ts';
import type { ScannerData, ScanOrder } from './scanner.ts';

const { fd, separator } = workerData as ScannerData;
const reader = new PieceReader((room, position) => readSync(fd, room, 0, room.length, position), separator);

parentPort?.on('message', ({ span, isSure }: ScanOrder) => {
  const piece = reader.read(span, isSure);
  parentPort?.postMessage(piece, buffersOf(piece.images));
});
