/** The admin API of a registry of this project, as an administrator: with the password that `ne-cli login` kept. */
import { createInterface } from 'node:readline';
import { isTransferError } from '../transfer/errors.ts';
import { type Answer, readBody } from '../transfer/http/wire.ts';
import type { Context } from './context.ts';
import { CliFailure } from './failure.ts';

export interface AdminQuestion {
  readonly method?: 'GET' | 'POST';
  /** Below `/admin/v1`. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** The action in words, for errors: `read the rule mirror`. */
  readonly what: string;
}

const largest = 64 * 1024 * 1024;

/** The JSON of the answer; undefined where it has no body. @throws CliFailure, TransferError */
export async function askAdmin(context: Context, host: string, question: AdminQuestion): Promise<unknown> {
  const answer = await send(context, host, question);
  const body = await readBody(answer, largest);
  return body.length === 0 ? undefined : parsed(body.toString('utf8'), host);
}

/** An answer of one JSON value a line, each as it comes: it may be as long as it likes. */
export async function* streamAdmin(context: Context, host: string, question: AdminQuestion): AsyncGenerator<unknown> {
  const { body } = await send(context, host, question);
  // readline says nothing of errors of its input.
  const lines = createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  body.once('error', (error) => failed.reject(error));
  const iterator = lines[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), failed.promise]);
      if (next.done === true) return;
      if (next.value.trim() !== '') yield parsed(next.value, host);
    }
  } finally {
    lines.close();
    body.destroy();
  }
}

async function send(
  context: Context,
  host: string,
  { method = 'GET', path, body, what }: AdminQuestion,
): Promise<Answer> {
  try {
    return await context.registry(host).request({
      method,
      path: `/admin/v1${path}`,
      // No token opens the admin API: it asks for the password.
      scopes: [],
      what,
      accept: [200, 202, 204],
      signal: context.signal,
      ...(body === undefined
        ? {}
        : { body: Buffer.from(JSON.stringify(body)), headers: { 'content-type': 'application/json' } }),
    });
  } catch (error) {
    if (!isTransferError(error, 'NotFound') || error.codes.length > 0) throw error;
    throw new CliFailure(
      `${host}: has no admin API that could ${what}: it is no NE Registry, or one of an earlier version`,
    );
  }
}

function parsed(text: string, host: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliFailure(`${host}: its admin API answered something that is no JSON; is a proxy in between?`);
  }
}
