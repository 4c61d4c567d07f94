import type { Connection } from './connection.ts';
import { type Fault, faultOf } from './faults.ts';
import type { Reserve } from './reserve.ts';
import { freeing, type OperationName, perform } from './writes/operations.ts';

export interface Command {
  readonly id: number;
  readonly name: OperationName;
  readonly data: unknown;
}

export type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly fault: Fault };

/**
 * Group commit: runs commands in one transaction and syncs once for all of them. Each has a savepoint of its own, so one that
 * fails takes nothing else along. The replies are true only because COMMIT has returned: nothing is answered before.
 * On a full disk the reserve is given up, and only commands that free space are tried again.
 */
export function runBatch(connection: Connection, commands: readonly Command[], reserve: Reserve): Reply[] {
  try {
    return transact(connection, commands);
  } catch (error) {
    const fault = faultOf(error);
    if (fault.kind !== 'full') return refuse(commands, fault);
    return runFreeing(connection, commands, reserve, fault);
  }
}

function runFreeing(connection: Connection, commands: readonly Command[], reserve: Reserve, full: Fault): Reply[] {
  const chosen = commands.filter(({ name }) => freeing.has(name));
  const refused = refuse(
    commands.filter(({ name }) => !freeing.has(name)),
    full,
  );
  if (chosen.length === 0) return refused;
  reserve.release();
  try {
    return [...refused, ...transact(connection, chosen)];
  } catch (error) {
    return [...refused, ...refuse(chosen, faultOf(error))];
  }
}

function refuse(commands: readonly Command[], fault: Fault): Reply[] {
  return commands.map(({ id }) => ({ id, fault }));
}

/** Throws what makes the whole transaction void (a full disk, an I/O error, damage); a single command's own failure is its reply. */
function transact(connection: Connection, commands: readonly Command[]): Reply[] {
  connection.run('BEGIN IMMEDIATE');
  try {
    const replies = commands.map((command) => attempt(connection, command));
    connection.run('COMMIT');
    return replies;
  } catch (error) {
    if (connection.db.isTransaction) connection.run('ROLLBACK');
    throw error;
  }
}

function attempt(connection: Connection, { id, name, data }: Command): Reply {
  connection.run('SAVEPOINT command');
  try {
    const value = perform(connection, name, data);
    connection.run('RELEASE command');
    return { id, value };
  } catch (error) {
    const fault = faultOf(error);
    if (fault.kind !== 'bug') throw error;
    if (!connection.db.isTransaction) throw error;
    connection.run('ROLLBACK TO command');
    connection.run('RELEASE command');
    return { id, fault: { kind: 'bug', message: `${name}: ${fault.message}` } };
  }
}
