import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { absoluteTarget } from './target.ts';

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
