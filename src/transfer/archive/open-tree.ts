import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { TransferError } from '../errors.ts';
import { type FileTree, folderTree, tarTree } from './file-tree.ts';

/**
 * Opens a folder, a .tar, or a .tar.gz / .tar.zst. A compressed archive cannot be read at any offset, so it is unpacked
 * into one temporary file, which goes when the tree is closed; others are read in place.
 * @throws TransferError
 */
export async function openTree(path: string, signal: AbortSignal): Promise<FileTree> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new TransferError(
      'NotFound',
      `${path}: cannot be read (${error.code === 'ENOENT' ? 'no such file or folder' : error.code})`,
    );
  });
  if (found.isDirectory()) return folderTree(path);
  const packing = await packingOf(path);
  if (packing === undefined) return await tarTree(path, path);

  const scratch = await mkdtemp(join(tmpdir(), 'ne-registry-archive-'));
  const remove = async () => await rm(scratch, { recursive: true, force: true });
  const unpacked = join(scratch, 'archive.tar');
  const unpack = packing === 'gzip' ? createGunzip() : createZstdDecompress();
  try {
    await pipeline(createReadStream(path, { highWaterMark: 262_144 }), unpack, createWriteStream(unpacked), { signal });
  } catch (error) {
    await remove();
    throw new TransferError(
      signal.aborted ? 'Cancelled' : 'Invalid',
      `${path}: cannot be unpacked (${(error as Error).message})`,
      { cause: error },
    );
  }
  return await tarTree(unpacked, path, remove);
}

async function packingOf(path: string): Promise<'gzip' | 'zstd' | undefined> {
  const handle = await open(path, 'r');
  try {
    const magic = Buffer.alloc(4);
    await handle.read(magic, 0, 4, 0);
    if (magic[0] === 0x1f && magic[1] === 0x8b) return 'gzip';
    return magic.readUInt32LE() === 0xfd2fb528 ? 'zstd' : undefined;
  } finally {
    await handle.close();
  }
}
