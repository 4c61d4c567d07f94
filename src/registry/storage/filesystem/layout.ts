import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { algorithmOf, type Digest, hexOf, isDigest } from '../../../domain/oci/digest.ts';

const UPLOAD_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NAME = '(?:[0-9a-f]{64}|[0-9a-f]{128})\\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const KEY = new RegExp(`^(?:sha256|sha512)/[0-9a-f]{2}/${NAME}$`);

export interface Entry {
  readonly name: string;
  readonly size: number;
  readonly modifiedAt: number;
}

/**
 * Where things lie: `uploads/<id>`, and `blobs/<algorithm>/<first two hex digits>/<hex>.<id>`. Nothing else in these folders
 * is ours: it is neither listed nor removed.
 */
export class Layout {
  readonly directory: string;
  #made = new Map<string, Promise<void>>();

  constructor(directory: string) {
    this.directory = directory;
  }

  get uploads(): string {
    return join(this.directory, 'uploads');
  }

  get blobs(): string {
    return join(this.directory, 'blobs');
  }

  /** Throws RangeError where `id` is no UUID: it becomes part of a path. */
  upload(id: string): string {
    if (!UPLOAD_ID.test(id)) throw new RangeError(`upload id ${JSON.stringify(id)} is not a lower-case UUID`);
    return join(this.uploads, id);
  }

  isUploadId(id: string): boolean {
    return UPLOAD_ID.test(id);
  }

  keyOf(digest: Digest, id: string): string {
    const hex = hexOf(digest);
    return `${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}.${id}`;
  }

  /** Throws RangeError where `key` is not one of ours: it becomes part of a path. */
  blob(key: string): string {
    if (!KEY.test(key)) throw new RangeError(`storage key ${JSON.stringify(key)} is not well-formed`);
    return join(this.blobs, key);
  }

  /** The upload that made a key of ours. */
  uploadIdOf(key: string): string {
    return key.slice(key.lastIndexOf('.') + 1);
  }

  /** The digest that a key of ours names; undefined for any other. */
  digestOf(key: string): Digest | undefined {
    if (!KEY.test(key)) return undefined;
    const [algorithm, , name = ''] = key.split('/');
    const text = `${algorithm}:${name.slice(0, name.lastIndexOf('.'))}`;
    return isDigest(text) ? text : undefined;
  }

  /** Makes a folder and those above it, up to the data directory, each durably named in its parent. */
  ensure(folder: string): Promise<void> {
    const known = this.#made.get(folder);
    if (known !== undefined) return known;
    const making = this.#make(folder);
    this.#made.set(folder, making);
    making.catch(() => this.#made.delete(folder));
    return making;
  }

  async #make(folder: string): Promise<void> {
    if (folder !== this.directory) await this.ensure(dirname(folder));
    const first = await mkdir(folder, { recursive: true, mode: 0o750 });
    if (first !== undefined) await syncFolder(dirname(first));
  }

  /** Keys of stored blobs with size and time; what looks like none of ours is left out. */
  async *keys(): AsyncIterable<Entry> {
    for (const algorithm of await namesIn(this.blobs))
      for (const shard of await namesIn(join(this.blobs, algorithm)))
        for await (const { name, ...entry } of filesIn(join(this.blobs, algorithm, shard))) {
          const key = `${algorithm}/${shard}/${name}`;
          if (KEY.test(key)) yield { name: key, ...entry };
        }
  }

  async *uploadIds(): AsyncIterable<Entry> {
    for await (const entry of filesIn(this.uploads)) if (UPLOAD_ID.test(entry.name)) yield entry;
  }
}

/** Makes the entries of a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw error;
  }
}

async function* filesIn(folder: string): AsyncIterable<Entry> {
  for (const name of await namesIn(folder)) {
    try {
      const { size, mtimeMs } = await stat(join(folder, name));
      yield { name, size, modifiedAt: Math.trunc(mtimeMs) };
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}
