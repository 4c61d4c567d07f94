/**
 * How much slower pulls are while a policy is evaluated over a repository of a million images, and while it expires them.
 * Usage: `node test/bench/retention-pulls.ts [IMAGES [SECONDS]]`. A quiet machine is needed; windows with and without take turns.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle } from '../../build/bundle.ts';
import type { Digest } from '../../src/domain/oci/digest.ts';
import type { ExportedRow } from '../../src/registry/metadata/recovery.ts';
import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import { type Client, client, imageType } from '../integration/registry/client.ts';
import { type Server, startServer } from '../integration/registry/server.ts';

const images = Number(process.argv[2] ?? 1_000_000);
const connections = 8;
const windowMillis = Number(process.argv[3] ?? 10) * 1000;
const rounds = 3;
const folder = mkdtempSync(join(tmpdir(), 'ne-retention-bench-'));
const data = join(folder, 'data');

try {
  await fill();
  console.log(`${images} images are in place`);
  await bundle(join(folder, 'dist'));
  const server = await startServer({
    data,
    bundle: join(folder, 'dist'),
    document: { auth: { administrators: ['tester'], anonymous: 'Pull' } },
  });
  try {
    await measure(server, client(server));
  } finally {
    await server.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function fill(): Promise<void> {
  mkdirSync(data);
  const store = await openSqlite({ directory: data, mode: 'offline', unsynced: true, onDeath: () => undefined });
  await store.import(rows());
  await store.close();
}

async function* rows(): AsyncGenerator<ExportedRow> {
  const began = Date.now() - images * 1000;
  for (const [repository, count] of [
    ['big/app', images],
    ['small/app', 100],
  ] as const) {
    yield { row: 'repository', name: repository };
    for (let number = 0; number < count; number++) {
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: imageType, layers: [], repository, number }),
      );
      const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      const at = began + number * 1000;
      yield {
        row: 'manifest',
        repository,
        digest,
        mediaType: imageType,
        bytes,
        edges: [],
        pushedAt: at,
        pushedBy: 'bench',
        contentSize: bytes.length,
      };
      yield { row: 'tag', repository, name: `v${number}`, digest, version: 1, actor: 'bench', changedAt: at };
    }
  }
}

async function measure(server: Server, registry: Client): Promise<void> {
  const put = policies(registry);
  const idle: number[] = [];
  const planning: number[] = [];
  await pulls(server, 2000);
  for (let round = 0; round < rounds; round++) {
    idle.push(await told('nothing else', pulls(server, windowMillis)));
    await put('DryRun');
    let evaluations = 0;
    const end = performance.now() + windowMillis;
    const working = (async () => {
      while (performance.now() < end) {
        await evaluated(registry);
        evaluations += 1;
      }
    })();
    planning.push(await told('planning', pulls(server, windowMillis)));
    await working;
    console.log(`  ${evaluations} evaluations; ${highWater(server)}`);
  }
  await put('Enforce');
  await sleep(1000);
  const expiring = [];
  for (let round = 0; round < rounds; round++) expiring.push(await told('expiring', pulls(server, windowMillis)));
  const p99 = { idle: median(idle), planning: median(planning), expiring: median(expiring) };
  console.log(`p99 in ms: ${JSON.stringify(p99)}`);
  console.log(
    `planning ${(p99.planning / p99.idle).toFixed(2)} times, expiring ${(p99.expiring / p99.idle).toFixed(2)} times`,
  );
}

function policies(registry: Client) {
  let generation = 0;
  const selection = {
    tagStatus: 'tagged',
    tagPatternList: ['v*'],
    countType: 'imageCountMoreThan',
    countNumber: images / 10,
  };
  const rules = [{ rulePriority: 1, selection, action: { type: 'expire' } }];
  return async (mode: string) => {
    generation += 1;
    const spec = { repositories: { include: ['big/app'] }, rules, mode };
    const body = JSON.stringify({ uid: 'bench', generation, spec });
    const answer = await registry.request('PUT', '/admin/v1/rules/retention/bench', { body });
    if (answer.status !== 200) throw new Error(answer.body.toString());
  };
}

async function evaluated(registry: Client): Promise<void> {
  const last = async () => {
    const answer = await registry.request('GET', '/admin/v1/rules/retention/bench');
    return (answer.json() as { state: { lastEvaluation?: string } }).state.lastEvaluation;
  };
  const before = await last();
  await registry.request('POST', '/admin/v1/rules/retention/bench/run');
  while ((await last()) === before) await sleep(250);
}

/** Manifests by tag, one after the other on each connection, with a short pause as clients have. Milliseconds of each. */
async function pulls(server: Server, millis: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const end = performance.now() + millis;
  const times: number[] = [];
  const one = async (number: number) => {
    while (performance.now() < end) {
      const began = performance.now();
      await get(agent, `${server.url}/v2/small/app/manifests/v${number}`);
      times.push(performance.now() - began);
      await sleep(2);
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, number) => one(number)));
  agent.destroy();
  return times;
}

function get(agent: Agent, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, (response) => {
      response.resume();
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`));
      response.once('end', resolve);
    });
    sent.once('error', reject);
    sent.end();
  });
}

async function told(what: string, measured: Promise<number[]>): Promise<number> {
  const times = (await measured).sort((a, b) => a - b);
  const at = (part: number) => times[Math.floor(times.length * part)] ?? Number.NaN;
  const [p50, p99, p999] = [at(0.5), at(0.99), at(0.999)].map((time) => time.toFixed(2));
  console.log(
    `${what}: ${times.length} pulls, p50 ${p50}, p99 ${p99}, p99.9 ${p999}, longest ${times.at(-1)?.toFixed(1)} ms`,
  );
  return at(0.99);
}

function highWater(server: Server): string {
  const kib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
  return `at most ${Math.round(kib / 1024)} MiB were resident`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
