/** The operator's HTTP listener for probes and Prometheus. */
import { createServer, type Server } from 'node:http';
import { isIP } from 'node:net';
import { Fatal, messageOf } from '../platform/fatal.ts';
import type { MetricsRegistry } from '../platform/metrics.ts';

/** What the probes tell. */
export class Health {
  ready = false;
}

export interface Management {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves /metrics, /healthz and /readyz in plain HTTP. Throws Fatal where the address cannot be listened on. */
export async function serveManagement(listen: string, metrics: MetricsRegistry, health: Health): Promise<Management> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    const send = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    if (path === '/healthz') return send(200, 'ok\n');
    if (path === '/readyz') return health.ready ? send(200, 'ok\n') : send(503, 'starting\n');
    if (path !== '/metrics') return send(404, 'not found\n');
    metrics.metrics().then(
      (text) => send(200, text, metrics.contentType),
      (error: unknown) => send(500, `${messageOf(error)}\n`),
    );
  });
  await listening(server, listen);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, listen: string): Promise<void> {
  const match = /^(.*):(\d+)$/.exec(listen);
  const host = match?.[1]?.replace(/^\[|\]$/g, '') ?? '';
  if (match?.[2] === undefined || (host !== '' && host !== 'localhost' && isIP(host) === 0)) {
    throw new Fatal(`--listen ${listen} is not ":port" or "address:port"`, { exit: 'usage' });
  }
  const port = Number(match[2]);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new Fatal(`cannot listen on ${listen}: ${error.message}; choose another address with --listen`, {
          cause: error,
        }),
      );
    });
    server.listen({ port, ...(host === '' ? {} : { host }) }, resolve);
  });
}
