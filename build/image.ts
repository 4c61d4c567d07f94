/**
 * Builds the container image from the Dockerfile.
 * Usage: `node build/image.ts [NAME]` tags NAME:VERSION with Docker where it runs, and else prints the path of an archive.
 *
 * Tests and the demo use `projectImage`: it needs root and Debian's buildah, but no container engine and no network.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt, run } from '../test/e2e/cluster/command.ts';
import { loadIntoBuildah, nodeBaseImage } from '../test/e2e/cluster/images.ts';
import { withLock } from '../test/e2e/cluster/lock.ts';
import { cacheRoot } from '../test/e2e/cluster/tools.ts';
import { bundle } from './bundle.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NAME = 'localhost/ne-registry';
/** What the image is made of. The tag follows from it: the same sources give the same tag, others another. */
const INGREDIENTS = ['src', 'build', 'Dockerfile', 'package.json', 'package-lock.json'];
const ARCHIVES_KEPT = 4;

export interface ProjectImage {
  readonly repository: string;
  readonly tag: string;
  /** `repository:tag`. */
  readonly reference: string;
  /** A docker-archive that holds the image under `reference`. */
  readonly archive: string;
}

/** The image of the sources as they are now; built once for each state of them. */
export async function projectImage(): Promise<ProjectImage> {
  const base = await nodeBaseImage();
  const tag = await fingerprint(base.digest);
  const image: ProjectImage = {
    repository: NAME,
    tag,
    reference: `${NAME}:${tag}`,
    archive: join(cacheRoot(), 'images', `ne-registry-${tag}.tar`),
  };
  if (existsSync(image.archive)) return image;
  return await withLock(join(cacheRoot(), 'images', '.ne-registry.lock'), async () => {
    if (!existsSync(image.archive)) await buildArchive(image, await loadIntoBuildah(base));
    return image;
  });
}

async function buildArchive(image: ProjectImage, base: string): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), 'ne-image-'));
  try {
    await copyFile(join(ROOT, 'Dockerfile'), join(context, 'Dockerfile'));
    await bundle(join(context, 'dist'));
    const args = [`BASE=${base}`, `VERSION=${await version()}`].flatMap((value) => ['--build-arg', value]);
    await buildah(['bud', '--isolation', 'chroot', '--target', 'prebuilt', ...args, '-t', image.reference, context]);
    const arriving = join(context, 'image.tar');
    await buildah(['push', image.reference, `docker-archive:${arriving}:${image.reference}`]);
    await mkdir(join(cacheRoot(), 'images'), { recursive: true });
    await run('mv', [arriving, `${image.archive}.arriving`]);
    await rename(`${image.archive}.arriving`, image.archive);
    // Another build may have named the same layers; what stays is found and removed by the next one.
    await attempt('buildah', ['--storage-driver', 'vfs', 'rmi', image.reference]);
    await forgetOldArchives();
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

async function buildah(args: readonly string[]): Promise<string> {
  return await run('buildah', ['--storage-driver', 'vfs', ...args]);
}

/** Keeps the newest few: one is about 130 MB. */
async function forgetOldArchives(): Promise<void> {
  const folder = join(cacheRoot(), 'images');
  const names = (await run('ls', ['-t', folder]))
    .split('\n')
    .filter((name) => /^ne-registry-[0-9a-f]+\.tar$/.test(name));
  for (const name of names.slice(ARCHIVES_KEPT)) await rm(join(folder, name), { force: true });
}

async function fingerprint(baseDigest: string): Promise<string> {
  const hash = createHash('sha256').update(baseDigest);
  for (const ingredient of INGREDIENTS) {
    for (const path of await filesBelow(join(ROOT, ingredient))) {
      hash
        .update(`${path.slice(ROOT.length)}\0`)
        .update(await readFile(path))
        .update('\0');
    }
  }
  return hash.digest('hex').slice(0, 12);
}

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTDIR') return undefined;
      throw error;
    },
  );
  if (entries === undefined) return [path];
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function version(): Promise<string> {
  return (JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

async function main(name: string): Promise<void> {
  const engine = await attempt('docker', ['info']).catch(() => undefined);
  if (engine?.code === 0) {
    const reference = `${name}:${await version()}`;
    await run('docker', ['build', '--tag', reference, '--build-arg', `VERSION=${await version()}`, ROOT]);
    console.log(reference);
    return;
  }
  console.log((await projectImage()).archive);
}

if (import.meta.main) await main(process.argv[2] ?? NAME);
