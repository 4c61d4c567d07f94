import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { attempt, progress, run } from './command.ts';
import { stateRoot } from './layout.ts';
import { withLock } from './lock.ts';

/** What the test cluster takes from Debian or Ubuntu. */
export const CLUSTER_PACKAGES = [
  'ca-certificates',
  'conntrack',
  'containerd',
  'containernetworking-plugins',
  'etcd-server',
  'iproute2',
  'iptables',
  'nftables',
  'openssl',
  'runc',
  'util-linux',
];

/** What building and copying images takes besides. */
export const IMAGE_PACKAGES = ['buildah', 'skopeo'];

// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own notation
const QUERY_FORMAT = '-f=${binary:Package} ${db:Status-Status}\\n';

const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_TEXT =
  '#!/bin/sh\n# Written by the test cluster of NE Registry while it installs packages; safe to remove.\nexit 101\n';

/** Installs those of the named Debian packages that are missing, without starting any service they bring. */
export async function ensurePackages(names: readonly string[]): Promise<void> {
  if ((await missing(names)).length === 0) return;
  await withLock(`${stateRoot()}/.packages.lock`, async () => {
    const wanted = await missing(names);
    if (wanted.length > 0) await install(wanted);
  });
}

async function missing(names: readonly string[]): Promise<readonly string[]> {
  const query = await attempt('dpkg-query', ['-W', QUERY_FORMAT, ...names]).catch(() => {
    throw new Error(
      `this machine has no dpkg: install what these Debian packages hold by other means; the test cluster is made for Debian and Ubuntu: ${names.join(' ')}`,
    );
  });
  const installed = query.stdout.split('\n').flatMap((line) => {
    const [name, status] = line.split(' ');
    return status === 'installed' && name !== undefined ? [name.split(':')[0]] : [];
  });
  return names.filter((name) => !installed.includes(name));
}

async function install(names: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new Error(`missing Debian packages (install them, or run as root): ${names.join(' ')}`);
  progress(`installing ${names.join(' ')}`);
  const apt = (args: readonly string[]) =>
    attempt('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      outlives: true,
    });
  await withoutServices(async () => {
    const args = ['install', '-y', '--no-install-recommends', ...names];
    if ((await apt(args)).code === 0) return;
    // Either there are no package lists yet, or they are older than the mirror.
    await run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'update']);
    const second = await apt(args);
    if (second.code !== 0) throw new Error(`apt-get could not install ${names.join(' ')}:\n${second.stderr.trim()}`);
  });
}

/** Debian starts what it installs; etcd and containerd would take ports and paths that nobody asked them to take. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const foreign = existsSync(POLICY) && (await readFile(POLICY, 'utf8')) !== POLICY_TEXT;
  if (foreign) return await work();
  await writeFile(POLICY, POLICY_TEXT, { mode: 0o755 });
  try {
    await work();
  } finally {
    await rm(POLICY, { force: true });
  }
}
