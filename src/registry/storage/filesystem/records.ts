import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { RecordStore } from '../records.ts';
import { storageError } from './faults.ts';
import { isMissing, syncFolder } from './layout.ts';

/** Parts begin with a letter or digit: there is no `..`, and a temporary file is never one of ours. */
const NAME = /^[a-z0-9][a-z0-9.-]*(?:\/[a-z0-9][a-z0-9.-]*)*$/;

/** A temporary file that nothing was written to for so long was left behind by a crash, milliseconds. */
const STALE = 3_600_000;
const TEMPORARY = /^\.[0-9a-f]{16}\.tmp$/;

/** Records as files of a folder, which is made with the first one. What `put` returned from survives a power cut. */
export class FolderRecords implements RecordStore {
  #folder: string;
  #made = new Set<string>();
  #tidied: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = resolve(folder);
  }

  async put(name: string, bytes: Uint8Array | Readable): Promise<void> {
    const path = this.#path(name);
    // Not before the first write: a command that only reads changes nothing.
    this.#tidied ??= this.#tidy();
    await this.#tidied;
    const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`);
    try {
      await this.#ensure(dirname(path));
      await writeDurably(temporary, bytes);
      await rename(temporary, path);
      await syncFolder(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw storageError(error, `writing ${path}`);
    }
  }

  async get(name: string): Promise<Readable | undefined> {
    const path = this.#path(name);
    try {
      const file = await open(path, 'r');
      return createReadStream(path, { fd: file });
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw storageError(error, `opening ${path}`);
    }
  }

  async *list(prefix: string): AsyncIterable<{ name: string; size: number; modifiedAt: number }> {
    const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true }).catch(noneWhereMissing);
    const names = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#folder.length + 1))
      .filter((name) => name.startsWith(prefix) && NAME.test(name))
      .sort();
    for (const name of names) {
      const found = await stat(join(this.#folder, name)).catch(noneWhereMissing);
      if ('size' in found) yield { name, size: found.size, modifiedAt: Math.trunc(found.mtimeMs) };
    }
  }

  async remove(name: string): Promise<void> {
    const path = this.#path(name);
    await rm(path, { force: true }).catch((error: unknown) => {
      throw storageError(error, `removing ${path}`);
    });
  }

  async close(): Promise<void> {}

  /** Removes what writes left behind that were cut off. Never rejects: writing does not depend on it. */
  async #tidy(): Promise<void> {
    const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const { parentPath, name } of entries.filter((entry) => entry.isFile() && TEMPORARY.test(entry.name))) {
      const path = join(parentPath, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && found.mtimeMs < Date.now() - STALE)
        await rm(path, { force: true }).catch(() => undefined);
    }
  }

  /** Throws RangeError where `name` is not one that a record may have: it becomes part of a path. */
  #path(name: string): string {
    if (!NAME.test(name)) throw new RangeError(`record name ${JSON.stringify(name)} is not well-formed`);
    return join(this.#folder, name);
  }

  async #ensure(folder: string): Promise<void> {
    if (this.#made.has(folder)) return;
    const first = await mkdir(folder, { recursive: true, mode: 0o750 });
    if (first !== undefined) await syncNamed(first, folder);
    this.#made.add(folder);
  }
}

/** Makes the entries of new folders durable, from the one that held none of them to the one above the last. */
async function syncNamed(first: string, last: string): Promise<void> {
  for (let folder = last; folder.length >= first.length; folder = dirname(folder)) await syncFolder(dirname(folder));
}

async function writeDurably(path: string, bytes: Uint8Array | Readable): Promise<void> {
  const file = await open(path, 'wx', 0o640);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

function noneWhereMissing(error: unknown): never[] {
  if (isMissing(error)) return [];
  throw error;
}
