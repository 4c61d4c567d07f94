/**
 * Registries of other clusters. A Secret that the operator there made, and somebody carried here, says where one is, whom to
 * trust and what lets this cluster report. It is read anew for each report.
 */
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { KubeClient } from '../kube/client.ts';
import { decode, type Secret } from '../registry/children/secret.ts';
import { longestInterval } from '../registry/in-use.ts';
import { describe } from '../registry-client/client.ts';
import { inTime, receive } from '../registry-client/request.ts';
import type { Destination } from './deliveries.ts';
import { sendWithinMs } from './local.ts';

/** `namespace/name` of a Secret. */
export interface ReporterRef {
  readonly namespace: string;
  readonly name: string;
}

/** What such a Secret says. */
interface Reporter {
  /** Origin: nothing is sent anywhere else. */
  readonly origin: URL;
  readonly token: string;
  readonly ca: string | undefined;
  readonly cluster: string;
}

export function remoteDestinations(
  client: Pick<KubeClient, 'get'>,
  reporters: readonly ReporterRef[],
): readonly Destination[] {
  return reporters.map(({ namespace, name }) => {
    let everyMs = longestInterval * 1000;
    return {
      key: `${namespace}/${name}`,
      name: `Secret ${namespace}/${name}`,
      get everyMs() {
        return everyMs;
      },
      send: async (body, signal) => {
        const secret = await client.get<Secret>({ apiVersion: 'v1', kind: 'Secret', namespace, name }, signal);
        if (secret === undefined) throw new Error(`there is no Secret ${namespace}/${name}`);
        const values = decode(secret);
        everyMs = intervalIn(values);
        await report(readReporter(values), body, signal);
      },
    };
  });
}

async function report({ origin, token, ca, cluster }: Reporter, body: string, signal: AbortSignal): Promise<void> {
  const url = new URL(`/admin/v1/inventories/${cluster}`, origin);
  const options = {
    method: 'PUT',
    ...inTime(signal, sendWithinMs),
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  };
  // Node follows no redirect: where one points to, the token never goes.
  const sent =
    url.protocol === 'http:' ? plainRequest(url, options) : tlsRequest(url, { ...options, ...(ca && { ca }) });
  const { status, text } = await receive(sent, { body });
  if (status !== 204) throw new Error(`${origin.origin} answers ${describe({ status, body: parsed(text) })}`);
}

/** Throws an Error that names the key which is wrong, without its value. */
export function readReporter(values: Readonly<Record<string, string>>): Reporter {
  const { url = '', token = '', cluster = '', 'ca.crt': ca } = values;
  const origin = URL.parse(url.trim());
  const isOrigin = origin !== null && ['https:', 'http:'].includes(origin.protocol) && origin.pathname === '/';
  if (!isOrigin || origin.username !== '' || origin.password !== '' || origin.search !== '') {
    throw new Error('its key "url" is not https://HOST[:PORT]');
  }
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token.trim())) throw new Error('its key "token" holds no token');
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(cluster.trim())) {
    throw new Error('its key "cluster" is no name of a cluster');
  }
  return { origin, token: token.trim(), cluster: cluster.trim(), ca: ca?.trim() ? ca : undefined };
}

/** `interval`, in whole seconds, where the registry asks for more than usual. */
function intervalIn({ interval = '' }: Readonly<Record<string, string>>): number {
  const seconds = /^\d{1,5}$/.test(interval.trim()) ? Number(interval) : longestInterval;
  return Math.min(longestInterval, Math.max(1, seconds)) * 1000;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
