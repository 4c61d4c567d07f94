/**
 * What it takes to evaluate one policy over very many repositories, and how much memory the registry has at its highest meanwhile.
 * Usage: `node test/bench/retention-repositories.ts [REPOSITORIES [IMAGES]]`; 100,000 of 10 images each unless told.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle } from '../../build/bundle.ts';
import type { Digest } from '../../src/domain/oci/digest.ts';
import type { ExportedRow } from '../../src/registry/metadata/recovery.ts';
import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import { type Client, client, imageType } from '../integration/registry/client.ts';
import { type Server, startServer } from '../integration/registry/server.ts';

const repositories = Number(process.argv[2] ?? 100_000);
const images = Number(process.argv[3] ?? 10);
const folder = mkdtempSync(join(tmpdir(), 'ne-retention-bench-'));
const data = join(folder, 'data');

try {
  mkdirSync(data);
  const store = await openSqlite({ directory: data, mode: 'offline', unsynced: true, onDeath: () => undefined });
  await store.import(rows());
  await store.close();
  console.log(`${repositories} repositories of ${images} images are in place`);
  await bundle(join(folder, 'dist'));
  const server = await startServer({
    data,
    bundle: join(folder, 'dist'),
    document: { auth: { administrators: ['tester'] } },
  });
  try {
    await sleep(5000);
    console.log(`before: ${told(server)}`);
    console.log(JSON.stringify(await evaluated(client(server))));
    console.log(`after: ${told(server)}`);
  } finally {
    await server.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function* rows(): AsyncGenerator<ExportedRow> {
  const began = Date.now() - images * 86_400_000;
  for (let index = 0; index < repositories; index++) {
    const repository = `team-${index % 1000}/app-${index}`;
    yield { row: 'repository', name: repository };
    for (let number = 0; number < images; number++) {
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: imageType, layers: [], repository, number }),
      );
      const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      const at = began + number * 86_400_000;
      const contentSize = bytes.length;
      const by = { pushedAt: at, pushedBy: 'bench' };
      yield { row: 'manifest', repository, digest, mediaType: imageType, bytes, edges: [], ...by, contentSize };
      yield { row: 'tag', repository, name: `v${number}`, digest, version: 1, actor: 'bench', changedAt: at };
    }
  }
}

/** Of each repository, the newest half stays. */
async function evaluated(registry: Client): Promise<unknown> {
  const selection = { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: Math.ceil(images / 2) };
  const rules = [{ rulePriority: 1, selection, action: { type: 'expire' } }];
  const spec = { repositories: { include: ['**'] }, rules, mode: 'DryRun' };
  const body = JSON.stringify({ uid: 'bench', generation: 1, spec });
  const put = await registry.request('PUT', '/admin/v1/rules/retention/bench', { body });
  if (put.status !== 200) throw new Error(put.body.toString());
  const began = performance.now();
  await registry.request('POST', '/admin/v1/rules/retention/bench/run');
  for (;;) {
    await sleep(500);
    const { state } = (await registry.request('GET', '/admin/v1/rules/retention/bench')).json() as {
      state: { lastEvaluation?: string; plan?: { expiring: number; keeping: number; hash: string } };
    };
    if (state.lastEvaluation === undefined) continue;
    const { expiring, keeping, hash } = state.plan ?? {};
    return { seconds: (performance.now() - began) / 1000, expiring, keeping, hash };
  }
}

/** Of the whole process: kernel ticks are a hundredth of a second. */
function told({ pid }: Server): string {
  const kib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const processor = (Number(fields[11]) + Number(fields[12])) / 100;
  return `at most ${Math.round(kib / 1024)} MiB were resident, ${processor} s of processor time`;
}
