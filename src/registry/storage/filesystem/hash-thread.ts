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
const works = new Map<number, Work>();
/** Why a file cannot be hashed; told when its digest is asked for. */
const faults = new Map<number, string>();

parentPort?.on('message', (message: ToHashThread) => {
  const { id } = message;
  try {
    if ('path' in message) {
      works.set(id, { fd: openSync(message.path, 'r'), hash: createHash(message.algorithm), at: 0 });
    } else if ('upTo' in message) {
      const work = works.get(id);
      if (work !== undefined) follow(work, message.upTo);
    } else forget(id);
  } catch (error) {
    forget(id);
    faults.set(id, String(error));
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
  const answer: FromHashThread = hex === undefined ? { id, fault: faults.get(id) ?? 'it is not known' } : { id, hex };
  parentPort?.postMessage(answer);
}

function forget(id: number): void {
  const work = works.get(id);
  works.delete(id);
  faults.delete(id);
  if (work !== undefined) closeSync(work.fd);
}
