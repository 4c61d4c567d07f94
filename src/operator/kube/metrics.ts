import { Counter, type Registry } from '../../platform/prometheus.ts';
import type { TransportOptions } from './transport.ts';

/** Registers `rest_client_requests_total` and gives what counts into it; once per registry. */
export function requestMetrics(registry: Registry): NonNullable<TransportOptions['observe']> {
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server by status code, method and host',
    labelNames: ['code', 'method', 'host'] as const,
    registers: [registry],
  });
  return ({ code, method, host }) => requests.inc({ code, method, host });
}
