import express, { type Router } from 'express';
import type { MetricsRegistry } from '../../platform/metrics.ts';

/** `/metrics` in the Prometheus text format. */
export function metricsRouter(register: MetricsRegistry): Router {
  const router = express.Router();
  router.get('/metrics', async (_request, response) => {
    const text = await register.metrics();
    response.set('content-type', register.contentType).send(text);
  });
  return router;
}
