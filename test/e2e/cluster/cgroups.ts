import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from './layout.ts';

const ROOT = '/sys/fs/cgroup';
const NEEDED = ['cpu', 'cpuset', 'memory', 'pids'];

/** Makes the cgroup that kubelet is given as its root, on cgroup v1 or v2. */
export async function createCgroups(at: Layout): Promise<void> {
  if (isUnified()) await createUnified(at);
  else await createV1(at);
}

/** Removes the cluster's cgroups; its processes have ended before. */
export async function removeCgroups(at: Layout): Promise<void> {
  for (const path of await present(at)) await removeTree(path);
}

/** The cluster's cgroup folders that exist now. */
export async function present(at: Layout): Promise<readonly string[]> {
  const parents = isUnified() ? [ROOT] : await hierarchies();
  return parents.map((parent) => join(parent, at.cgroup)).filter((path) => existsSync(path));
}

function isUnified(): boolean {
  return existsSync(join(ROOT, 'cgroup.controllers'));
}

async function hierarchies(): Promise<readonly string[]> {
  const entries = await readdir(ROOT, { withFileTypes: true });
  // Symbolic links (cpu -> cpu,cpuacct) name a hierarchy a second time.
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(ROOT, entry.name));
}

async function createUnified(at: Layout): Promise<void> {
  const path = join(ROOT, at.cgroup);
  await mkdir(path, { recursive: true });
  for (const controller of [...NEEDED, 'io', 'hugetlb']) {
    // One by one: a kernel without one of them refuses the whole line.
    await writeFile(join(ROOT, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined);
  }
  const available = (await readFile(join(path, 'cgroup.controllers'), 'utf8')).trim().split(' ');
  const missing = NEEDED.filter((controller) => !available.includes(controller));
  if (missing.length > 0) {
    throw new Error(
      `cgroup v2 controllers ${missing.join(', ')} cannot be enabled in ${ROOT}: kubelet needs them; in a container, give it a cgroup of its own that no process is in`,
    );
  }
}

async function createV1(at: Layout): Promise<void> {
  for (const parent of await hierarchies()) {
    const path = join(parent, at.cgroup);
    await mkdir(path, { recursive: true });
    // A new cpuset is empty, and no process can enter it until it names CPUs and memory nodes.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (existsSync(join(path, file))) await writeFile(join(path, file), await readFile(join(parent, file)));
    }
  }
}

async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries.filter((entry) => entry.isDirectory())) await removeTree(join(path, entry.name));
  // The kernel frees the last processes of a cgroup a little after they ended: EBUSY until then.
  for (let tries = 0; ; tries++) {
    try {
      return await rmdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      if (tries >= 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
