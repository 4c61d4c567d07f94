import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import express, { type Request, type Response, type Router } from 'express';
import * as z from 'zod';
import { Refusal } from '../../domain/errors.ts';
import { type Digest, isDigest } from '../../domain/oci/digest.ts';
import type { TrashPosition, TrashRow } from '../metadata/retaining.ts';
import type { RetentionDesk } from '../retention/desk.ts';
import { callerName } from './administrators.ts';
import { strictJson } from './strict-body.ts';

export interface RetentionRooms {
  /** Loaded with the first question. */
  desk(): Promise<RetentionDesk>;
  /** Milliseconds since the epoch. */
  now(): number;
}

const ndjson = 'application/x-ndjson';
const largest = 2 * 1024 * 1024;
const page = { usual: 100, most: 1000 };

const Preview = z.strictObject({ spec: z.record(z.string(), z.unknown()) });
const Restore = z.strictObject({
  repository: z.string().min(1).max(255),
  references: z.array(z.string().min(1).max(135)).min(1).max(1000),
});

/** What retention plans and did, why, and how to take it back. For administrators. */
export function retentionRouter({ desk, now }: RetentionRooms): Router {
  const router = express.Router();
  const path = '/admin/v1/retention';
  router.post([`${path}/preview`, `${path}/restore`], strictJson(largest));
  router.post(`${path}/preview`, async (request, response) => {
    await preview(await desk(), parsed(Preview, request).spec, response);
  });
  router.get(`${path}/explain`, async (request, response) => {
    const [repository, reference] = [required(request, 'repository'), required(request, 'reference')];
    const explained = await (await desk()).explain(repository, reference);
    if (explained === undefined)
      throw new Refusal('MANIFEST_UNKNOWN', `there is no image ${reference} in ${repository}`);
    response.set('cache-control', 'no-store').json(explained);
  });
  router.get(`${path}/trash`, async (request, response) => {
    const limit = limitOf(request);
    const rows = await (await desk()).trash({ limit, ...placeOf(request) });
    response.set('cache-control', 'no-store').json({
      images: rows.map(shownTrash),
      ...(rows.length === limit && { last: positionText(rows.at(-1)) }),
    });
  });
  router.post(`${path}/restore`, async (request, response) => {
    const { repository, references } = parsed(Restore, request);
    const by = { name: callerName(response), now: now() };
    const answer = await (await desk()).restore(repository, references, by);
    if (answer.restored.length === 0)
      throw new Refusal('MANIFEST_UNKNOWN', `the trash holds none of these of ${repository}: ${references.join(', ')}`);
    response.json({ repository, ...answer });
  });
  router.get(`${path}/:name/plan`, async (request, response) => {
    const text = await (await desk()).plan(request.params.name);
    if (text === undefined)
      throw new Refusal('UNSUPPORTED', `there is no policy ${request.params.name}`, { status: 404 });
    response.set({ 'cache-control': 'no-store', 'content-type': ndjson });
    if (text === 'empty') response.end();
    // Cut off where the record, or the client, fails in the middle.
    else await pipeline(text, response).catch(() => response.destroy());
  });
  return router;
}

/** Streamed: what is answered may be longer than memory. Invalid policies are refused before the first byte. */
async function preview(desk: RetentionDesk, spec: unknown, response: Response): Promise<void> {
  const { InvalidPolicy } = await import('../../domain/retention/policy.ts');
  const write = async (text: string) => {
    if (response.destroyed) throw new Error('whoever asked for the preview has gone');
    if (!response.headersSent) response.set({ 'cache-control': 'no-store', 'content-type': ndjson });
    if (!response.write(text)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  };
  try {
    await desk.preview(spec, write);
  } catch (error) {
    if (error instanceof InvalidPolicy)
      throw new Refusal('UNSUPPORTED', error.message, { status: 400, detail: { problems: error.problems } });
    if (!response.headersSent) throw error;
    // Cut off, so that nobody takes a part for the whole.
    response.destroy();
    return;
  }
  if (!response.headersSent) response.set({ 'cache-control': 'no-store', 'content-type': ndjson });
  response.end();
}

function parsed<T>(schema: z.ZodType<T>, { body }: Pick<Request, 'body'>): T {
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const problems = read.error.issues.map(
    ({ path, message }) => `${path.map(String).join('.') || 'the body'}: ${message}`,
  );
  throw new Refusal('UNSUPPORTED', problems.join('; '), { status: 400, detail: { problems } });
}

function required({ query }: Request, name: string): string {
  const value = query[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Refusal('UNSUPPORTED', `the query needs ${name}`, { status: 400 });
}

function limitOf({ query }: Request): number {
  const { n } = query;
  if (n === undefined) return page.usual;
  const limit = typeof n === 'string' && /^\d{1,6}$/.test(n) ? Number(n) : 0;
  if (limit < 1) throw new Refusal('UNSUPPORTED', 'n must be a number from 1', { status: 400 });
  return Math.min(limit, page.most);
}

function placeOf({ query }: Request): { repository?: string; last?: TrashPosition } {
  const { repository, last } = query;
  return {
    ...(typeof repository === 'string' && repository !== '' && { repository }),
    ...(typeof last === 'string' && last !== '' && { last: readPosition(last) }),
  };
}

function shownTrash({ expiredAt, until, contentSize, edges: _, ...row }: TrashRow) {
  const time = (at: number) => new Date(at).toISOString();
  return { ...row, sizeBytes: contentSize, expiredAt: time(expiredAt), until: time(until) };
}

/** What `last` of the next page is: `MILLISECONDS REPOSITORY DIGEST`. */
function positionText(row: TrashRow | undefined): string {
  return row === undefined ? '' : `${row.expiredAt} ${row.repository} ${row.digest}`;
}

function readPosition(text: string): TrashPosition {
  const [at = '', repository = '', digest = ''] = text.split(' ');
  if (/^\d{1,16}$/.test(at) && isDigest(digest)) return { expiredAt: Number(at), repository, digest: digest as Digest };
  throw new Refusal('UNSUPPORTED', 'last must be the last of the page before', { status: 400 });
}
