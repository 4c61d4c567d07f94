/**
 * The thread that hands large blobs over beside the event loop, where several are being sent. It waits in the kernel for room
 * in any of its sockets; whatever is not just that (bytes that are on disk alone, clients that stop) it gives back.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { PATIENCE } from '../departure.ts';
import { first, openKernel } from './kernel.ts';
import { Polled } from './polled.ts';
import type { FromSendThread, SendThreadData, ToSendThread } from './send-jobs.ts';

/** Bytes of one call: the others of this thread have their turn after it. */
const PIECE = 2 * 1024 * 1024;
/** After so many bytes a file is given back, so that whoever shares the work out can do so anew. */
const SLICE = 64 * 1024 * 1024;

interface Job {
  readonly id: number;
  readonly socket: number;
  readonly fd: number;
  readonly end: number;
  /** The next byte. */
  position: number;
  /** Bytes until it is given back. */
  left: number;
  /** When the client last took something, `performance.now()`. */
  since: number;
  ended: boolean;
}

const { bell, sent } = workerData as SendThreadData;
const kernel = await openKernel();
const total = new BigInt64Array(sent);
let jobs: Job[] = [];

function accept(order: ToSendThread): void {
  const { id } = order;
  if ('cancel' in order) {
    const job = jobs.find((one) => one.id === id && !one.ended);
    if (job !== undefined) giveBack(job);
    return;
  }
  const { fd, start, end } = order.span;
  const since = performance.now();
  jobs.push({ id, socket: order.socket, fd, end, position: start, left: SLICE, since, ended: false });
}

/** Neither of its descriptors is used here from now on. */
function giveBack(job: Job, inTurn = false): void {
  job.ended = true;
  parentPort?.postMessage({ id: job.id, position: job.position, inTurn } satisfies FromSendThread);
}

/** Returns when there is nothing to send; until then orders are heard by way of the bell. */
function work(): void {
  let polled = new Polled(bell, jobs);
  while (jobs.length > 0) {
    kernel?.wait(polled.bytes, PATIENCE / 2);
    const now = performance.now();
    for (const [index, job] of jobs.entries()) {
      if (polled.happened(index)) advance(job, now);
      else if (now - job.since > PATIENCE) giveBack(job);
    }
    const { rung } = polled;
    if (rung) hear();
    if (!rung && !jobs.some(({ ended }) => ended)) continue;
    jobs = jobs.filter(({ ended }) => !ended);
    polled = new Polled(bell, jobs);
  }
}

/** The next piece to a client that has room for it, or that is gone: who gets the job back finds out. */
function advance(job: Job, now: number): void {
  const { socket, fd, position, end } = job;
  const count = kernel?.send(socket, first(PIECE, { fd, start: position, end })) ?? 0;
  job.position += count;
  job.left -= count;
  job.since = now;
  Atomics.add(total, 0, BigInt(count));
  if (count === 0 || job.position > end) giveBack(job);
  else if (job.left <= 0) giveBack(job, true);
}

function hear(): void {
  kernel?.silence(bell);
  for (;;) {
    const heard = parentPort && receiveMessageOnPort(parentPort);
    if (!heard) return;
    accept(heard.message as ToSendThread);
  }
}

parentPort?.on('message', (order: ToSendThread) => {
  accept(order);
  work();
});
parentPort?.postMessage({ ready: true } satisfies FromSendThread);
