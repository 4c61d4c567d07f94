import type { Group } from '../bench.ts';
import { blobPath, makeContent, manifestPath, manifestType } from '../content.ts';
import { rate, throughput } from '../load/load.ts';
import { measure } from '../measure.ts';
import { openLab } from '../peers/lab.ts';
import { contenders } from './manifests.ts';

const connections = 500;

/** Five hundred clients at once: nobody may see an error. */
export const crowd: Group = {
  name: 'crowd',
  async *run(bench) {
    const lab = await openLab(bench, { content: makeContent(['64 KB', '3 MB']) });
    try {
      const { content, registries, files } = lab;
      const manifest = manifestPath(content, content.tag);
      yield await measure(
        bench,
        { id: 'crowd-manifest', title: '500 clients: manifest GET by tag', unit: 'req/s' },
        contenders(registries, async (server, seconds) =>
          rate(await bench.load.get(server, manifest, { connections, seconds, headers: { accept: manifestType } })),
        ),
      );
      for (const size of ['64 KB', '3 MB'] as const) {
        const path = blobPath(content, content.layers[size]);
        yield await measure(
          bench,
          {
            id: `crowd-blob-${size.replace(' ', '').toLowerCase()}`,
            title: `500 clients: blob GET ${size}`,
            unit: 'MB/s',
          },
          contenders([...registries, files], async (server, seconds) =>
            throughput(await bench.load.get(server, path, { connections, seconds })),
          ),
        );
      }
    } finally {
      await lab.close();
    }
  },
};
