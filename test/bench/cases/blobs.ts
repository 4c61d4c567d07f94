import type { Group } from '../bench.ts';
import { blobPath, type LayerSize, verify, verifyHead } from '../content.ts';
import { rate, throughput } from '../load/load.ts';
import { measure } from '../measure.ts';
import { openLab } from '../peers/lab.ts';
import type { Promises } from '../result.ts';
import { contenders } from './manifests.ts';

const connections = 16;
const small = { distribution: { floor: 1.7, goal: 2.5 }, nginx: { floor: 0.65, goal: 1 } };
const whole = { distribution: { floor: 2, goal: 3 }, nginx: { floor: 0.9, goal: 1.1 } };
const promised: Record<LayerSize, NonNullable<Promises['against']>> = {
  '64 KB': small,
  '3 MB': small,
  '20 MB': whole,
  '200 MB': whole,
};

/** Blobs: bytes to clients that read as fast as they can. */
export const blobs: Group = {
  name: 'blob',
  async *run(bench) {
    const lab = await openLab(bench);
    try {
      const head = blobPath(lab.content, lab.content.layers['3 MB']);
      for (const server of lab.registries) await verifyHead(server, head, lab.content.layers['3 MB']);
      yield await measure(
        bench,
        { id: 'blob-head', title: 'blob HEAD', unit: 'req/s' },
        contenders(lab.registries, async (server, seconds) =>
          rate(await bench.load.ask(server, [head], { method: 'HEAD', connections, seconds })),
        ),
      );
      for (const [size, against] of Object.entries(promised) as [LayerSize, (typeof promised)[LayerSize]][]) {
        const path = blobPath(lab.content, lab.content.layers[size]);
        const servers = [...lab.registries, lab.files];
        for (const server of servers) await verify(server, path, lab.content.layers[size]);
        const large = size !== '64 KB';
        const id = `blob-get-${size.replace(' ', '').toLowerCase()}`;
        yield await measure(
          bench,
          { id, title: `blob GET ${size}`, unit: 'MB/s', promises: { against } },
          contenders(servers, async (server, seconds) => {
            const load = { connections, seconds };
            // wrk copies all it gets, 8 KB at a time, and would be what is measured.
            const tally = large
              ? bench.load.ask(server, [path], { method: 'GET', ...load })
              : bench.load.get(server, path, load);
            return throughput(await tally);
          }),
        );
      }
    } finally {
      await lab.close();
    }
  },
};
