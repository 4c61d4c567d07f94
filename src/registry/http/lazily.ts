import type { RequestListener } from 'node:http';
import { messageOf } from '../../platform/fatal.ts';
import type { ApiLog } from './api.ts';

/** A listener that is loaded with its first request: Express is 3 MB that a registry of pulls and pushes never needs. */
export function lazily(load: () => Promise<RequestListener>, log: Pick<ApiLog, 'error'>): RequestListener {
  let loading: Promise<RequestListener> | undefined;
  return (request, response) => {
    loading ??= load();
    loading.then(
      (listener) => listener(request, response),
      (error: unknown) => {
        // The next request tries again.
        loading = undefined;
        log.error({ err: error }, `this part of the registry could not be loaded: ${messageOf(error)}`);
        response.writeHead(503, { 'retry-after': '5' }).end();
      },
    );
  };
}
