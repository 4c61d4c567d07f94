/** A registry whose retention is under test: real images, rules over the admin API, and clusters that report. */
import assert from 'node:assert/strict';
import { type Client, client, descriptor, digestOf, imageType } from '../client.ts';
import type { Server } from '../server.ts';
import { until } from '../space/until.ts';

/** What the admin API says of a policy. */
export interface ShownState {
  generation: number;
  lastEvaluation?: string;
  nextEvaluation?: string;
  plan?: {
    hash: string;
    expiresAt?: string;
    expiring: number;
    keeping: number;
    blockedInUse: number;
    images: ShownImage[];
  };
  totals: { expired: number; expiredBytes: number; blockedInUse: number };
  problems: { type: string; reason: string; message: string }[];
  events?: { reason: string; message: string }[];
  inUse?: { clusters: { name: string; reportedAt?: string; stale?: boolean; images?: number }[] };
}

interface ShownImage {
  repository: string;
  digest: string;
  tags?: string[];
  reason: string;
}

export interface House {
  readonly registry: Client;
  /** Pushes one image for each tag, in this order: times of push differ. Answers the digests by tag. */
  push(repository: string, tags: readonly string[]): Promise<Map<string, string>>;
  /** Tags that are there. */
  tags(repository: string): Promise<string[]>;
  put(name: string, spec: object): Promise<{ status: number; problems: string[] }>;
  state(name: string): Promise<ShownState>;
  /** Waits for the evaluation that comes of itself with the last `put`. */
  evaluated(name: string): Promise<ShownState>;
  /** Has it evaluated now, and waits for that: one that had begun before has not seen all that was done until now. */
  evaluatedAgain(name: string): Promise<ShownState>;
  report(cluster: string, images: readonly object[], more?: object): Promise<number>;
}

export function house(server: Pick<Server, 'url' | 'authorization'>): House {
  const registry = client(server);
  let generation = 0;
  const generations = new Map<string, number>();
  const state: House['state'] = async (name) => {
    const answer = await registry.request('GET', `/admin/v1/rules/retention/${name}`);
    assert.equal(answer.status, 200, answer.body.toString());
    return (answer.json() as { state: ShownState }).state;
  };
  const stateThat = async (name: string, holds: (state: ShownState) => boolean) => {
    let found = await state(name);
    await until(`${name} is evaluated`, async () => {
      found = await state(name);
      return holds(found);
    });
    return found;
  };
  return {
    registry,
    state,
    push: (repository, tags) => pushAll(registry, repository, tags),
    async tags(repository) {
      const answer = await registry.request('GET', `/v2/${repository}/tags/list?n=10000`);
      return answer.status === 404 ? [] : ((answer.json() as { tags: string[] | null }).tags ?? []);
    },
    async put(name, spec) {
      generation += 1;
      const body = JSON.stringify({ uid: `uid-${name}`, generation, spec });
      const answer = await registry.request('PUT', `/admin/v1/rules/retention/${name}`, { body });
      const { errors = [] } = answer.json() as { errors?: { detail?: { problems?: string[] } }[] };
      if (answer.status === 200) {
        assert.deepEqual(answer.json(), { generation, running: true });
        generations.set(name, generation);
      }
      return { status: answer.status, problems: errors[0]?.detail?.problems ?? [] };
    },
    evaluated(name) {
      const last = generations.get(name);
      return stateThat(name, (found) => found.generation === last && found.lastEvaluation !== undefined);
    },
    async evaluatedAgain(name) {
      const now = Date.now();
      const asked = await registry.request('POST', `/admin/v1/rules/retention/${name}/run`);
      assert.equal(asked.status, 202);
      return stateThat(name, ({ lastEvaluation = '' }) => Date.parse(lastEvaluation) >= now);
    },
    async report(cluster, images, more = {}) {
      const apiVersion = 'inventory.ne-registry.io/v1alpha1';
      const body = JSON.stringify({ apiVersion, reportedAt: new Date().toISOString(), images, ...more });
      return (await registry.request('PUT', `/admin/v1/inventories/${cluster}`, { body })).status;
    },
  };
}

const config = Buffer.from('{}');

async function pushAll(registry: Client, repository: string, tags: readonly string[]): Promise<Map<string, string>> {
  const layer = Buffer.from(`layer of ${repository}`);
  for (const blob of [config, layer]) await registry.pushBlob(repository, blob);
  const digests = new Map<string, string>();
  for (const tag of tags) {
    const manifest = {
      schemaVersion: 2,
      mediaType: imageType,
      config: descriptor(config, 'application/vnd.oci.empty.v1+json'),
      layers: [descriptor(layer)],
      annotations: { tag, repository },
    };
    const body = Buffer.from(JSON.stringify(manifest));
    const headers = { 'content-type': imageType };
    const put = await registry.request('PUT', `/v2/${repository}/manifests/${tag}`, { body, headers });
    assert.equal(put.status, 201, put.body.toString());
    digests.set(tag, digestOf(body));
  }
  return digests;
}
