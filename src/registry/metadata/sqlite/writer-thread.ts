/** The thread that owns the writing connection. It drains all that has queued up into one commit, replies, and repeats. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { giveBack } from '../../../platform/give-back.ts';
import { type Command, type Reply, runBatch } from './batch.ts';
import { type Connection, openForWriting } from './connection.ts';
import { faultOf } from './faults.ts';
import { Reserve } from './reserve.ts';
import type { FromThread, ToThread } from './thread-writer.ts';
import type { WriterOptions } from './writer.ts';

/** More than this in one commit would only make the first of them wait. */
const LARGEST_BATCH = 256;
/** How often it is tried to take the reserve again after it was given up, milliseconds. */
const RESERVE_RETRY = 10_000;

class WriterThread {
  #port: MessagePort;
  #connection: Connection;
  #reserve: Reserve;
  #queue: Command[] = [];
  #closing = false;
  #holding: NodeJS.Timeout;

  constructor(port: MessagePort, options: WriterOptions) {
    this.#port = port;
    this.#connection = openForWriting(options.path);
    this.#reserve = new Reserve(options.reserve.path, options.reserve.bytes);
    this.#holding = setInterval(() => this.#reserve.hold(), RESERVE_RETRY);
    this.#holding.unref();
    port.on('message', (message: ToThread) => this.#receive(message));
    this.#reserve.hold();
  }

  #receive(message: ToThread): void {
    this.#take(message);
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port))
      this.#take(next.message as ToThread);
    while (this.#queue.length > 0) {
      const commands = this.#queue.splice(0, LARGEST_BATCH);
      const replies: Reply[] = runBatch(this.#connection, commands, this.#reserve);
      this.#tell({ replies });
      commands.forEach(giveBackBytes);
    }
    if (this.#closing) this.#close();
  }

  #take(message: ToThread): void {
    if ('close' in message) this.#closing = true;
    else this.#queue.push(...message.commands);
  }

  #tell(message: FromThread): void {
    this.#port.postMessage(message);
  }

  #close(): void {
    clearInterval(this.#holding);
    this.#connection.close();
    this.#port.close();
  }
}

/** A manifest's bytes came as this thread's own copy, and are in the database now. */
function giveBackBytes({ data }: Command): void {
  if (typeof data === 'object' && data !== null && 'bytes' in data) giveBack(data.bytes as Uint8Array);
}

if (parentPort !== null) {
  try {
    new WriterThread(parentPort, workerData as WriterOptions);
  } catch (error) {
    parentPort.postMessage({ failed: faultOf(error) } satisfies FromThread);
    parentPort.close();
  }
}
