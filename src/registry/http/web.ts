import express, { type Express, type RequestHandler, type Router } from 'express';
import type { MetricsRegistry } from '../../platform/metrics.ts';
import type { RequestSample } from '../metrics.ts';
import { type AdminRooms, adminRouter } from './admin-router.ts';
import type { ApiLog } from './api.ts';
import { answerErrors, notFound } from './express-errors.ts';
import { type HealthRooms, healthRouter } from './health-router.ts';
import { metricsRouter } from './metrics-router.ts';
import { type TokenRooms, tokenRouter } from './token-router.ts';

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

export interface WebRooms extends Omit<WebOptions, 'routers'> {
  readonly api?: { readonly token: TokenRooms; readonly admin: AdminRooms };
  readonly management?: HealthRooms & { readonly register: MetricsRegistry };
}

/** What a listener serves beside the OCI API: of the API's listener, of the one for management, or of both in one. */
export function webOf({ log, observe, api, management }: WebRooms): Express {
  const routers: Router[] = [];
  if (api !== undefined) routers.push(tokenRouter(api.token), adminRouter(api.admin));
  if (management !== undefined) routers.push(metricsRouter(management.register), healthRouter(management));
  return createWebApp({ log, observe, routers });
}
