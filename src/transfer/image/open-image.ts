import type { Digest } from '../../domain/oci/digest.ts';
import { openTree } from '../archive/open-tree.ts';
import { TransferError } from '../errors.ts';
import { DockerArchiveSource } from './docker-archive-source.ts';
import type { ImageSource } from './image.ts';
import { LayoutSource } from './layout-source.ts';

/**
 * Opens an image in a file or folder: an OCI layout (folder, .tar, .tar.gz) or a docker-archive. What newer Docker saves
 * is both, and is read as a layout. @param name which image, where there are several: a tag or a whole reference
 */
export async function openImage(
  path: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<{ source: ImageSource; digest: Digest }> {
  const tree = await openTree(path, signal);
  try {
    if ((await tree.size('index.json')) !== undefined) {
      const source = await LayoutSource.open(tree);
      return { source, digest: source.choose(name) };
    }
    if ((await tree.size('manifest.json')) !== undefined) {
      const source = await DockerArchiveSource.open(tree);
      return { source, digest: await source.choose(name) };
    }
    throw new TransferError(
      'Invalid',
      `${path}: neither an OCI layout (no index.json) nor a docker-archive (no manifest.json)`,
    );
  } catch (error) {
    await tree.close();
    throw error;
  }
}
