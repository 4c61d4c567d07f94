/** Registries that are real processes, and rules between them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { farSchedule } from '../../programs/far-schedule.ts';
import { type Client, client } from '../registry/client.ts';
import { type Server, startServer } from '../registry/server.ts';

export interface Site extends Place {
  readonly server: Server;
}

/** What can be asked of a registry, or of one of its replicas. */
export interface Place extends Client {
  /** Writes a rule; generations count up by themselves. */
  rule(name: string, spec: object, connections?: readonly object[]): Promise<void>;
  state(name: string): Promise<RuleState>;
  /** What a tag points at; undefined where there is none. */
  tag(repository: string, tag: string): Promise<string | undefined>;
  /** All tags with their digests. */
  tags(repository: string): Promise<Record<string, string>>;
}

export interface RuleState {
  readonly generation?: number;
  readonly targets: readonly {
    target: string;
    pending: number;
    failed: number;
    conflicts: number;
    lastSuccess?: string;
    oldestPendingSince?: string;
    bytesTransferred: number;
    failures: readonly { reference: string; reason: string; message: string }[];
  }[];
  readonly lastPlan?: { copy: number; delete: number; unchanged: number; time: string };
  readonly problems: readonly { type: string; reason: string; message: string }[];
}

/**
 * Starts a registry whose user is an administrator too; one that takes `data` over is the same registry again. `inUse` names the
 * clusters that report to it what they run.
 */
export async function startSite({
  inUse = [],
  ...options
}: {
  data?: string;
  bundle?: string;
  inUse?: string[];
} = {}): Promise<Site> {
  const document = { auth: { administrators: ['tester'] }, inUse: { clusters: inUse } };
  const server = await startServer({ document, ...options });
  return { ...placeAt(server), server };
}

let generation = 0;

export function placeAt(server: Pick<Server, 'url' | 'authorization'>): Place {
  const each = client(server);
  const json = { 'content-type': 'application/json' };
  return {
    ...each,
    async rule(name, spec, connections = []) {
      generation += 1;
      const body = Buffer.from(
        JSON.stringify({
          uid: `uid-${name}`,
          generation,
          spec: { schedule: farSchedule(), ...spec },
          connections,
        }),
      );
      const answer = await each.request('PUT', `/admin/v1/rules/replication/${name}`, { body, headers: json });
      if (answer.status !== 200) throw new Error(`rule ${name}: ${answer.status} ${answer.body}`);
    },
    async state(name) {
      const answer = await each.request('GET', `/admin/v1/rules/replication/${name}`);
      if (answer.status !== 200) throw new Error(`state of ${name}: ${answer.status} ${answer.body}`);
      return (answer.json() as { state: RuleState }).state;
    },
    async tag(repository, tag) {
      const answer = await each.request('HEAD', `/v2/${repository}/manifests/${tag}`, { headers: { accept: '*/*' } });
      return answer.status === 200 ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined;
    },
    async tags(repository) {
      const answer = await each.request('GET', `/v2/${repository}/tags/list?n=10000`);
      if (answer.status === 404) return {};
      const names = (answer.json() as { tags: string[] }).tags;
      const found: Record<string, string> = {};
      for (const name of names) found[name] = (await this.tag(repository, name)) ?? 'gone';
      return found;
    },
  };
}

/** How a rule reaches another registry. */
export function connectionTo(site: Pick<Server, 'host' | 'user' | 'password'>, host = site.host): object {
  return { host, username: site.user, password: site.password, insecure: true };
}

/** How a rule names the registry that carries it out. */
export const self = { host: 'here.example', self: true };

/** Asks again and again until it is so. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>, millis = 60_000): Promise<T> {
  const end = Date.now() + millis;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`not within ${millis} ms: ${what}`);
    await sleep(50);
  }
}
