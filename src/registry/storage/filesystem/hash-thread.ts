/** The thread that hashes large uploads: it reads again what was just written, out of the page cache. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { FromHashThread, ToHashThread } from './hasher.ts';

interface Work {
  readonly fd: number;
  readonly hash: Hash;
  at: number;
}

const buffer = Buffer.allocUnsafeSlow(256 * 1024);
/** A file that could not be read is not here: it has no digest, and whoever asked reads it. */
const works = new Map<number, Work>();

parentPort?.on('message', (message: ToHashThread) => {
  const { id } = message;
  try {
    if ('path' in message) {
      works.set(id, { fd: openSync(message.path, 'r'), hash: createHash(message.algorithm), at: 0 });
    } else if ('upTo' in message) {
      const work = works.get(id);
      if (work !== undefined) follow(work, message.upTo);
    } else forget(id);
  } catch {
    forget(id);
  }
  if ('upTo' in message && message.digest) tell(id);
});

function follow(work: Work, upTo: number): void {
  while (work.at < upTo) {
    const count = readSync(work.fd, buffer, 0, Math.min(buffer.byteLength, upTo - work.at), work.at);
    if (count === 0) throw new Error(`the file ends at ${work.at}`);
    work.hash.update(buffer.subarray(0, count));
    work.at += count;
  }
}

function tell(id: number): void {
  const hex = works.get(id)?.hash.copy().digest('hex');
  parentPort?.postMessage({ id, hex } satisfies FromHashThread);
}

function forget(id: number): void {
  const work = works.get(id);
  works.delete(id);
  if (work !== undefined) closeSync(work.fd);
}
