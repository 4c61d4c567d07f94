import type { Bench, Group } from '../bench.ts';
import { type Content, manifestPath, manifestType, verify, verifyHead } from '../content.ts';
import { rate } from '../load/load.ts';
import { type Contender, measure } from '../measure.ts';
import { openLab } from '../peers/lab.ts';
import type { Server } from '../peers/server.ts';
import type { CaseResult } from '../result.ts';

const connections = 16;
const aims = { distribution: { floor: 10, goal: 16 } };

/** Manifests by tag and by digest: what every pull and every check of a tag begins with. */
export const manifests: Group = {
  name: 'manifest',
  async *run(bench) {
    const lab = await openLab(bench);
    try {
      const { tag, manifest } = lab.content;
      for (const [kind, reference] of [
        ['tag', tag],
        ['digest', manifest.digest],
      ] as const) {
        const path = manifestPath(lab.content, reference);
        yield await gets(bench, { kind, path, servers: lab.registries, content: lab.content });
        yield await heads(bench, { kind, path, servers: lab.registries, content: lab.content });
      }
    } finally {
      await lab.close();
    }
  },
};

interface Subject {
  readonly kind: string;
  readonly path: string;
  readonly servers: readonly Server[];
  readonly content: Content;
}

const headers = { accept: manifestType };

async function gets(bench: Bench, { kind, path, servers, content }: Subject): Promise<CaseResult> {
  for (const server of servers) await verify(server, path, content.manifest);
  const description = { id: `manifest-get-${kind}`, title: `manifest GET by ${kind}`, unit: 'req/s' } as const;
  return await measure(
    bench,
    { ...description, promises: { against: aims } },
    contenders(servers, async (server, seconds) =>
      rate(await bench.load.get(server, path, { connections, seconds, headers })),
    ),
  );
}

async function heads(bench: Bench, { kind, path, servers, content }: Subject): Promise<CaseResult> {
  for (const server of servers) await verifyHead(server, path, content.manifest);
  const description = { id: `manifest-head-${kind}`, title: `manifest HEAD by ${kind}`, unit: 'req/s' } as const;
  return await measure(
    bench,
    { ...description, promises: { against: aims } },
    contenders(servers, async (server, seconds) =>
      rate(await bench.load.ask(server, [path], { method: 'HEAD', connections, seconds, headers })),
    ),
  );
}

/** The same load for every server. */
export function contenders(
  servers: readonly Server[],
  load: (server: Server, seconds: number) => ReturnType<Contender['burst']>,
): Contender[] {
  return servers.map((server) => ({ server, burst: (seconds) => load(server, seconds) }));
}
