import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Files that hold a blob's bytes. */
export function filesOf(data: string, digest: string): string[] {
  const [algorithm = '', hex = ''] = digest.split(':');
  return globSync(`blobs/${algorithm}/**/${hex}*`, { cwd: data }).map((path) => join(data, path));
}

/** Bytes of all blobs and uploads on the disk. */
export function storedBytes(data: string): number {
  const paths = globSync(['blobs/**', 'uploads/**'], { cwd: data });
  return paths.reduce((sum, path) => sum + sizeOf(join(data, path)), 0);
}

function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? found.size : 0;
}
