/** Tries the route that containerd will take: the node's address, the node port, and the bundle as the only trust. */
import { get as getPlain } from 'node:http';
import { get as getTls } from 'node:https';

const timeoutMs = 5000;

/** Settles when a registry answers there (with or without a demand for credentials); rejects with the reason. */
export function tryRoute(route: string, bundle: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { agent: false as const, timeout: timeoutMs, headers: { accept: 'application/json' } };
    const url = `${route}/v2/`;
    const request = route.startsWith('http://')
      ? getPlain(url, options)
      : getTls(url, { ...options, ...(bundle === undefined ? {} : { ca: bundle }) });
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    request.once('error', reject);
    request.once('response', (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      if (statusCode === 200 || statusCode === 401) resolve();
      else reject(new Error(`${url} answered ${statusCode}`));
    });
  });
}
