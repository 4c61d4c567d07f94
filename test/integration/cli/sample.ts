import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A descriptor as it stands in a manifest. */
export interface SampleDescriptor {
  mediaType: string;
  digest: string;
  size: number;
  [field: string]: unknown;
}

export const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** An OCI layout that is built up file by file, without any of the code under test. */
export class SampleLayout {
  readonly folder: string;
  readonly #entries: SampleDescriptor[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  async blob(bytes: Buffer, mediaType: string): Promise<SampleDescriptor> {
    const hex = createHash('sha256').update(bytes).digest('hex');
    await mkdir(join(this.folder, 'blobs', 'sha256'), { recursive: true });
    await writeFile(join(this.folder, 'blobs', 'sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }

  /** An image with layers of the given sizes, of random bytes. */
  async image(
    layerSizes: readonly number[],
    more: object = {},
    architecture = 'amd64',
  ): Promise<SampleDescriptor & { layers: readonly SampleDescriptor[] }> {
    const layers: SampleDescriptor[] = [];
    for (const size of layerSizes) layers.push(await this.blob(randomBytes(size), types.layer));
    const config = {
      os: 'linux',
      architecture,
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
    };
    const { subject, ...others } = more as { subject?: SampleDescriptor };
    const about = subject && { mediaType: subject.mediaType, digest: subject.digest, size: subject.size };
    const manifest = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: await this.blob(Buffer.from(JSON.stringify(config)), types.config),
      layers,
      ...others,
      ...(about && { subject: about }),
    };
    const descriptor = await this.blob(Buffer.from(JSON.stringify(manifest)), types.manifest);
    return { ...descriptor, layers };
  }

  async index(children: readonly SampleDescriptor[]): Promise<SampleDescriptor> {
    const manifests = children.map(({ layers: _, ...child }) => child);
    const index = { schemaVersion: 2, mediaType: types.index, manifests };
    return await this.blob(Buffer.from(JSON.stringify(index)), types.index);
  }

  add({ layers: _, ...entry }: SampleDescriptor, name?: string): void {
    this.#entries.push(
      name === undefined ? entry : { ...entry, annotations: { 'org.opencontainers.image.ref.name': name } },
    );
  }

  /** Writes `index.json` and `oci-layout`. */
  async finish(): Promise<string> {
    await writeFile(join(this.folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await writeFile(
      join(this.folder, 'index.json'),
      JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests: this.#entries }),
    );
    return this.folder;
  }
}
