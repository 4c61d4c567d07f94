import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { Connection } from '../../../src/operator/kube/connection.ts';
import { HttpKubeClient } from '../../../src/operator/kube/http-client.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { Transport } from '../../../src/operator/kube/transport.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';

/** A client, and what it has sent so far: `METHOD`, once per answer. */
export interface CountingClient {
  client: HttpKubeClient;
  sent: string[];
  /** How many of them were writes. */
  writes(): number;
  close(): void;
}

export function countingClient(server: BareApiServer): CountingClient {
  const sent: string[] = [];
  const transport = new Transport(connectionFromFile(server.kubeconfig), {
    userAgent: 'ne-registry-operator/test',
    timeoutMs: 30_000,
    observe: ({ method }) => sent.push(method),
  });
  return {
    client: new HttpKubeClient(transport),
    sent,
    writes: () => sent.filter((method) => method !== 'GET').length,
    close: () => transport.close(),
  };
}

/** The connection that a kubeconfig file describes. */
export function connectionFromFile(file: string): Connection {
  return new Connection(() => {
    const config = new KubeConfig();
    config.loadFromFile(file);
    return config;
  });
}

/** Collects what is logged. */
export function collectingLog() {
  const lines: { level: string; message: string }[] = [];
  const at = (level: string) => (_fields: object, message: string) => void lines.push({ level, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Waits until `look` gives something other than undefined or false; fails after `seconds`. */
export async function eventually<T>(what: string, look: () => T | Promise<T>, seconds = 60): Promise<T> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > until) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function configMap(name: string, data: Record<string, string>, namespace = 'default'): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
}
