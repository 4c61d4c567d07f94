/** The node's `certs.d` folder: writes what one Registry needs there, and takes it back. */
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, Fatal } from '../platform/fatal.ts';
import { bundleName, type HostsFile, hostOf, hostsName, ownerOf, renderHostsFile } from './hosts-file.ts';

/**
 * Makes the folder hold exactly what `file` says for its owner; what it wrote for an earlier host goes. Gives whether
 * anything changed. Throws Fatal where the host is set up by somebody else: theirs stays.
 */
export async function writeHost(folder: string, file: HostsFile, bundle: string | undefined): Promise<boolean> {
  const host = hostOf(file.server);
  const directory = join(folder, host);
  await refuseForeign(directory, file.owner);
  await removeHosts(folder, file.owner, host);
  await mkdir(directory, { recursive: true });
  // The bundle first: containerd refuses a file that names one that is not there.
  const trust = bundle === undefined ? false : await replace(join(directory, bundleName), bundle);
  const hosts = await replace(join(directory, hostsName), renderHostsFile(file));
  return trust || hosts;
}

/** Removes what was written for `owner`, except for the host `kept`. Gives the hosts that were removed. */
export async function removeHosts(folder: string, owner: string, kept?: string): Promise<string[]> {
  const removed: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === kept) continue;
    const directory = join(folder, entry.name);
    const text = await read(join(directory, hostsName));
    if (text === undefined || ownerOf(text) !== owner) continue;
    await rm(join(directory, hostsName), { force: true });
    await rm(join(directory, bundleName), { force: true });
    // Somebody's own files keep the folder.
    await rmdir(directory).catch(() => undefined);
    removed.push(entry.name);
  }
  return removed;
}

async function refuseForeign(directory: string, owner: string): Promise<void> {
  const text = await read(join(directory, hostsName));
  if (text === undefined || ownerOf(text) === owner) return;
  const by = ownerOf(text);
  const who = by === undefined ? 'was not written by NE Registry' : `belongs to the Registry ${by}`;
  throw new Fatal(
    `${join(directory, hostsName)} on this node ${who}: remove it there, or give the Registry ${owner} another host`,
  );
}

/** Writes a file at once or not at all; nothing where it holds the text already. */
async function replace(path: string, text: string): Promise<boolean> {
  if ((await read(path)) === text) return false;
  const temporary = `${path}.ne-registry`;
  await writeFile(temporary, text, { mode: 0o644 });
  await rename(temporary, path);
  return true;
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
