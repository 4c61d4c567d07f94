import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, { type Express, type RequestHandler, type Router } from 'express';
import type { RequestSample } from '../metrics.ts';
import type { ApiLog } from './api.ts';
import { answerErrors, notFound } from './express-errors.ts';
import { absoluteTarget } from './target.ts';

export interface WebOptions {
  readonly routers: readonly Router[];
  readonly log: ApiLog;
  observe(sample: RequestSample): void;
}

/** The Express application of everything but the OCI API. */
export function createWebApp({ routers, log, observe }: WebOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(measured(log, observe));
  for (const router of routers) app.use(router);
  app.use(notFound);
  app.use(answerErrors(log));
  return app;
}

const routes = new Set(['token', 'admin', 'healthz', 'readyz', 'metrics']);

function measured(log: ApiLog, observe: (sample: RequestSample) => void): RequestHandler {
  return (request, response, next) => {
    const began = performance.now();
    const first = request.path.split('/', 2)[1] ?? '';
    const route = routes.has(first) ? first : 'other';
    response.once('close', () => {
      const seconds = (performance.now() - began) / 1000;
      const { method, path } = request;
      observe({ route, method, status: response.statusCode, seconds });
      // The path alone: a query may hold what is nobody's business.
      log.debug({ method, url: path, status: response.statusCode, ms: Math.round(seconds * 1000) }, 'request');
    });
    next();
  };
}

/** Gives what is under `/v2` to the OCI API and everything else to Express; counts requests that carry an upload. */
export function dispatch(
  api: RequestListener,
  web: RequestListener,
  uploads: { inc(): void; dec(): void },
): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    const absolute = absoluteTarget(request.url ?? '/');
    if (absolute !== undefined) {
      // RFC 9112 §3.2.2: the target's host counts, whatever Host says.
      request.url = absolute.path;
      request.headers.host = absolute.authority;
    }
    const { url = '/', method } = request;
    if (!isApi(url)) {
      web(request, response);
      return;
    }
    if ((method === 'PATCH' || method === 'PUT' || method === 'POST') && url.includes('/blobs/uploads/')) {
      uploads.inc();
      response.once('close', () => uploads.dec());
    }
    api(request, response);
  };
}

function isApi(url: string): boolean {
  return url.startsWith('/v2') && (url.length === 3 || url[3] === '/' || url[3] === '?');
}
