import { once } from 'node:events';
import express, { type Response, type Router } from 'express';
import { Refusal } from '../../domain/errors.ts';
import type { RuleRow, Rules } from '../metadata/rules.ts';
import type { Replication } from '../replication/start.ts';

export interface ReplicationRooms extends Pick<Replication, 'desk' | 'retry'> {
  readonly metadata: Pick<Rules, 'rule'>;
}

/** What people ask of rules of replication beside the rules themselves. */
export function replicationRouter(rooms: ReplicationRooms): Router {
  const router = express.Router();
  const path = '/admin/v1/replication/:name';
  router.get(`${path}/plan`, async (request, response) => {
    const { name } = await ruleOf(rooms, request.params.name);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const desk = await rooms.desk();
    const plan = await desk.plan(name, gone.signal);
    if (plan === undefined) throw unknown(name);
    response.set({ 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    await stream(plan, response, gone.signal);
  });
  router.post(`${path}/retry`, async (request, response) => {
    const { name } = await ruleOf(rooms, request.params.name);
    await rooms.retry(name);
    response.status(202).json({ name });
  });
  return router;
}

/** A line for each entry; a failure in the middle tears the connection, so that nobody takes a part for the whole. */
async function stream(entries: AsyncIterable<object>, response: Response, signal: AbortSignal): Promise<void> {
  try {
    for await (const entry of entries) {
      if (!response.write(`${JSON.stringify(entry)}\n`)) await once(response, 'drain', { signal });
    }
    response.end();
  } catch (error) {
    if (signal.aborted) return;
    if (!response.headersSent) throw error;
    response.destroy(error instanceof Error ? error : undefined);
  }
}

async function ruleOf({ metadata }: ReplicationRooms, name: string): Promise<RuleRow> {
  const row = await metadata.rule('replication', name);
  if (row === undefined) throw unknown(name);
  return row;
}

function unknown(name: string): Refusal {
  return new Refusal('UNSUPPORTED', `there is no replication rule ${name}`, { status: 404 });
}
