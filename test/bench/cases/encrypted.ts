import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { writeCertificate } from '../../integration/auth/certificate.ts';
import type { Group } from '../bench.ts';
import { blobPath, makeContent, manifestPath, manifestType, verify } from '../content.ts';
import { rate, throughput } from '../load/load.ts';
import { measure } from '../measure.ts';
import { openLab } from '../peers/lab.ts';
import { contenders } from './manifests.ts';

const connections = 16;

/** What pulls are made of, over TLS. */
export const encrypted: Group = {
  name: 'tls',
  async *run(bench) {
    const folder = await mkdtemp(join(bench.scratch, 'tls-'));
    writeCertificate(folder, 'bench');
    const tls = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
    const lab = await openLab(bench, { tls, content: makeContent(['64 KB', '3 MB', '20 MB']) });
    try {
      const { content, registries, files } = lab;
      const manifest = manifestPath(content, content.tag);
      for (const server of registries) await verify(server, manifest, content.manifest);
      yield await measure(
        bench,
        { id: 'tls-manifest-get-tag', title: 'TLS: manifest GET by tag', unit: 'req/s' },
        contenders(registries, async (server, seconds) =>
          rate(await bench.load.get(server, manifest, { connections, seconds, headers: { accept: manifestType } })),
        ),
      );
      for (const size of ['64 KB', '3 MB', '20 MB'] as const) {
        const path = blobPath(content, content.layers[size]);
        for (const server of [...registries, files]) await verify(server, path, content.layers[size]);
        yield await measure(
          bench,
          { id: `tls-blob-get-${size.replace(' ', '').toLowerCase()}`, title: `TLS: blob GET ${size}`, unit: 'MB/s' },
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
