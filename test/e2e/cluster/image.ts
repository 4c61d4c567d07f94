import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { withLock } from './lock.ts';
import { type TarEntry, tar } from './tar.ts';
import { cacheRoot } from './tools.ts';

/** Changes when what is written for the same recipe does. */
const FORMAT = '2';

/** An image to make from scratch. */
export interface ImageRecipe {
  /** Full reference, e.g. `localhost/ne-registry/hello:1`. */
  readonly reference: string;
  readonly layers: readonly (readonly TarEntry[])[];
  /** As in the OCI image configuration. */
  readonly config: {
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Env?: readonly string[];
    readonly User?: string;
    readonly WorkingDir?: string;
  };
}

/** An image on disk. */
export interface BuiltImage {
  readonly reference: string;
  /** A tar file that is an OCI archive and a docker-archive at once. */
  readonly archive: string;
  /** The same as an OCI image layout, a folder. */
  readonly layout: string;
  /** Digest of the OCI manifest. */
  readonly digest: string;
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Makes an image, or takes the one that was made from the same recipe and files before. */
export async function buildImage(recipe: ImageRecipe): Promise<BuiltImage> {
  const folder = join(
    cacheRoot(),
    'images',
    `${recipe.reference.replaceAll(/[^a-z0-9.]+/g, '-')}-${await fingerprint(recipe)}`,
  );
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return;
    const work = await mkdtemp(`${folder}-`);
    await write(recipe, work).catch(async (error: unknown) => {
      await rm(work, { recursive: true, force: true });
      throw error;
    });
    await rename(work, folder);
  });
  const index = JSON.parse(await readFile(join(folder, 'layout', 'index.json'), 'utf8')) as { manifests: Blob[] };
  const digest = index.manifests[0]?.digest;
  if (digest === undefined) throw new Error(`${folder}/layout/index.json lists no manifest: remove the folder`);
  return { reference: recipe.reference, archive: join(folder, 'image.tar'), layout: join(folder, 'layout'), digest };
}

async function write(recipe: ImageRecipe, work: string): Promise<void> {
  const layout = join(work, 'layout');
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
  const layers: Blob[] = [];
  for (const entries of recipe.layers) {
    layers.push(await putBlob(layout, 'application/vnd.oci.image.layer.v1.tar', Readable.from(tar(entries))));
  }
  const config = await putJson(layout, 'application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: recipe.config,
    // The layers are not compressed, so that their digests are those of the files in them.
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
    // One entry for each layer: buildah takes no base image without.
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z' })),
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = await putJson(layout, mediaType, { schemaVersion: 2, mediaType, config, layers });
  const annotations = {
    'io.containerd.image.name': recipe.reference,
    'org.opencontainers.image.ref.name': recipe.reference.slice(recipe.reference.lastIndexOf(':') + 1),
  };
  const path = (blob: Blob) => `blobs/${blob.digest.replace(':', '/')}`;
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  const docker = [{ Config: path(config), RepoTags: [recipe.reference], Layers: layers.map(path) }];
  await writeArchive(layout, JSON.stringify(docker), join(work, 'image.tar'));
}

async function writeArchive(layout: string, dockerManifest: string, file: string): Promise<void> {
  const blobs = await readdir(join(layout, 'blobs', 'sha256'));
  const file_ = (path: string): TarEntry => ({ path, kind: 'file', source: join(layout, path) });
  const entries: TarEntry[] = [
    file_('oci-layout'),
    file_('index.json'),
    { path: 'manifest.json', kind: 'text', text: dockerManifest },
    ...blobs.map((name) => file_(`blobs/sha256/${name}`)),
  ];
  await pipeline(tar(entries), createWriteStream(file));
}

async function putJson(layout: string, mediaType: string, value: object): Promise<Blob> {
  return await putBlob(layout, mediaType, Readable.from([Buffer.from(JSON.stringify(value))]));
}

async function putBlob(layout: string, mediaType: string, content: Readable): Promise<Blob> {
  const hash = createHash('sha256');
  let size = 0;
  const measured = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  const arriving = join(layout, 'arriving');
  await pipeline(content, measured, createWriteStream(arriving));
  const hex = hash.digest('hex');
  await rename(arriving, join(layout, 'blobs', 'sha256', hex));
  return { mediaType, digest: `sha256:${hex}`, size };
}

/** Sixteen hexadecimal digits that change when the recipe, or a file that it takes in, does. */
async function fingerprint(recipe: ImageRecipe): Promise<string> {
  const hash = createHash('sha256').update(FORMAT).update(JSON.stringify(recipe));
  for (const entry of recipe.layers.flat()) {
    if (entry.kind !== 'file') continue;
    const { size, mtimeMs } = await stat(entry.source);
    hash.update(`${entry.source} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}
