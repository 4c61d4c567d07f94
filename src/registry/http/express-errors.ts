import type { ErrorRequestHandler, RequestHandler } from 'express';
import { Refusal } from '../../domain/errors.ts';
import type { ApiLog } from './api.ts';

/** Answers a path that no router knows. */
export const notFound: RequestHandler = (_request, response) => {
  response.status(404).json(new Refusal('UNSUPPORTED', 'no such endpoint; the registry API is under /v2/').body());
};

/** Turns what a router threw into an answer: a refusal as it says, a bad body as 400, anything else as 500 and a log line. */
export function answerErrors(log: Pick<ApiLog, 'error'>): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) return next(error);
    if (error instanceof Refusal) {
      response.status(error.status).set(error.headers).json(error.body());
      return;
    }
    const status = (error as { status?: unknown }).status;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      response.status(status).json(new Refusal('UNSUPPORTED', 'the request could not be read').body());
      return;
    }
    log.error({ err: error }, 'a request failed for a reason that was not foreseen');
    response.status(500).json(new Refusal('UNSUPPORTED', 'the registry failed; its log says why').body());
  };
}
