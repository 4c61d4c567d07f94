import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { type Content, layOut, makeContent, pushContent } from '../content.ts';
import { startDistribution } from './distribution.ts';
import { startNginx } from './nginx.ts';
import { startOurs } from './ours.ts';
import type { Server, TlsFiles } from './server.ts';

/** Ours, its peers, and the same image on each of them. */
export interface Lab {
  readonly content: Content;
  /** Ours first, then (where one was given) the baseline, then the CNCF's. */
  readonly registries: readonly Server[];
  readonly files: Server;
  /** Stops everything and removes the data. */
  close(): Promise<void>;
}

export async function openLab(bench: Bench, options: { content?: Content; tls?: TlsFiles } = {}): Promise<Lab> {
  const folder = await mkdtemp(join(bench.scratch, 'lab-'));
  const { content = makeContent(), tls } = options;
  const secured = tls && { tls };
  const servers: Server[] = [];
  const started = async (server: Promise<Server>) => {
    servers.push(await server);
    return await server;
  };
  const close = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const registries = [
      await started(startOurs({ bundle: bench.bundle, folder: await below(folder, 'ours'), ...secured })),
    ];
    if (bench.baseline !== undefined) {
      const place = await below(folder, 'baseline');
      registries.push(
        await started(startOurs({ name: 'baseline', bundle: bench.baseline, folder: place, ...secured })),
      );
    }
    registries.push(await started(startDistribution({ folder: await below(folder, 'distribution'), ...secured })));
    for (const registry of registries) await pushContent(registry, content);
    const files = await below(folder, 'files');
    await layOut(files, content);
    const nginx = await started(startNginx({ folder: await below(folder, 'nginx'), files, ...secured }));
    return { content, registries, files: nginx, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function below(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  return path;
}
