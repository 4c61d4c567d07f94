import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../e2e/cluster/command.ts';
import type { Bench, Group } from '../bench.ts';
import { makeContent, manifestPath, manifestType, pushContent } from '../content.ts';
import { rate } from '../load/load.ts';
import { measure } from '../measure.ts';
import { startOurs } from '../peers/ours.ts';
import type { Server } from '../peers/server.ts';
import { makeUser } from '../users.ts';
import { contenders } from './manifests.ts';

const root = join(import.meta.dirname, '../../..');
const connections = 16;

/** What of ours costs how much: the column `plain` is ours without it. */
export const features: Group = {
  name: 'features',
  async *run(bench) {
    const folder = await mkdtemp(join(bench.scratch, 'features-'));
    const servers: Server[] = [];
    const start = async (name: string, options: Partial<Parameters<typeof startOurs>[0]>) => {
      await mkdir(join(folder, name));
      const server = await startOurs({ bundle: bench.bundle, folder: join(folder, name), name: 'ours', ...options });
      servers.push(server);
      return server;
    };
    try {
      const content = makeContent(['64 KB']);
      const whole = await start('whole', {});
      const authenticated = await start('authenticated', { user: await makeUser(folder) });
      const plain = await start('plain', { name: 'plain' });
      const unmetered = await start('unmetered', { name: 'plain', bundle: await withoutMetrics(bench, folder) });
      for (const server of servers) await pushContent(server, content);
      const path = manifestPath(content, content.tag);
      const load = async (server: Server, seconds: number) =>
        rate(await bench.load.get(server, path, { connections, seconds, headers: { accept: manifestType } }));
      yield await measure(
        bench,
        { id: 'authentication', title: 'manifest GET with Basic authentication (plain: none)', unit: 'req/s' },
        contenders([authenticated, plain], load),
      );
      yield await measure(
        { ...bench, rounds: bench.rounds * 2, seconds: Math.max(2, bench.seconds) },
        {
          id: 'metrics',
          title: 'manifest GET with metrics and log, by processor time (plain: neither)',
          unit: 'req/cpu-s',
          promises: { against: { plain: { floor: 0.97, goal: 0.99 } } },
        },
        contenders([whole, unmetered], load),
      );
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** The same sources bundled with a composition in which nothing is counted and no request is logged. */
async function withoutMetrics(bench: Bench, folder: string): Promise<string> {
  const copy = join(folder, 'sources');
  await mkdir(copy);
  for (const name of ['src', 'build', 'package.json'])
    await cp(join(root, name), join(copy, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const metrics = join(copy, 'src/registry');
  await rename(join(metrics, 'metrics.ts'), join(metrics, 'metered.ts'));
  await writeFile(join(metrics, 'metrics.ts'), unmetered);
  const api = join(metrics, 'http/api.ts');
  const silent = (await readFile(api, 'utf8')).replace(/^ +logExchange\(/m, 'if (request === undefined) $&');
  await writeFile(api, silent);
  await run(process.execPath, [join(copy, 'build/bundle.ts'), join(folder, 'unmetered-dist')]);
  bench.say('bundled ours without metrics and log');
  return join(folder, 'unmetered-dist');
}

const unmetered = `import { createRegistryMetrics as metered } from './metered.ts';
export type * from './metered.ts';
export function createRegistryMetrics(...parts: Parameters<typeof metered>) {
  return { ...metered(...parts), observe() {} };
}
`;
