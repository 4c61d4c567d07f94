import express, { type RequestHandler } from 'express';
import { Refusal } from '../../domain/errors.ts';
import { InvalidJson, type JsonBounds, parseStrictJson } from '../../domain/json.ts';

/**
 * Puts the JSON of a body into `request.body`, read strictly: a key that stands twice or a number that would lose digits makes
 * the whole body invalid.
 * @param largest bytes; more is answered 413
 */
export function strictJson(largest: number, bounds: JsonBounds = {}): RequestHandler {
  const read = express.raw({ type: () => true, limit: largest });
  return (request, response, next) =>
    read(request, response, (error?: unknown) => {
      if (error !== undefined) return next(error);
      try {
        request.body = parsed(request.body, bounds);
        next();
      } catch (problem) {
        next(problem);
      }
    });
}

function parsed(bytes: unknown, bounds: JsonBounds): unknown {
  try {
    return parseStrictJson(bytes instanceof Uint8Array ? bytes : '', bounds);
  } catch (error) {
    if (!(error instanceof InvalidJson)) throw error;
    const problem = `the body is ${error.message.startsWith('not ') ? '' : 'not accepted: '}${error.message}`;
    throw new Refusal('UNSUPPORTED', problem, { status: 400, detail: { problems: [problem] } });
  }
}
