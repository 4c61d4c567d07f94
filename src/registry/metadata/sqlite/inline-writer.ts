import { runBatch } from './batch.ts';
import type { Connection } from './connection.ts';
import { openForWriting, openUnsynced } from './connection.ts';
import { closed, errorOf } from './faults.ts';
import { Reserve } from './reserve.ts';
import type { Writer, WriterOptions } from './writer.ts';
import type { Arguments, OperationName, Result } from './writes/operations.ts';

/** Writes on the calling thread, one commit an operation: for offline work. */
export class InlineWriter implements Writer {
  #connection: Connection;
  #reserve: Reserve;

  constructor(options: WriterOptions) {
    this.#connection = options.unsynced ? openUnsynced(options.path) : openForWriting(options.path);
    this.#reserve = new Reserve(options.reserve.path, options.reserve.bytes);
  }

  async execute<Name extends OperationName>(name: Name, data: Arguments<Name>): Promise<Result<Name>> {
    if (!this.#connection.db.isOpen) throw closed();
    const [reply] = runBatch(this.#connection, [{ id: 0, name, data }], this.#reserve);
    if (reply === undefined) throw new Error('a batch of one has one reply');
    if ('fault' in reply) throw errorOf(reply.fault);
    return reply.value as Result<Name>;
  }

  async close(): Promise<void> {
    this.#connection.close();
  }
}
