import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt, run } from './command.ts';
import { type BuiltImage, buildImage } from './image.ts';
import { ensurePackages, IMAGE_PACKAGES } from './packages.ts';
import { COREDNS, HELLO, PAUSE } from './programs.ts';
import type { TarEntry } from './tar.ts';
import { type GoTool, goTool } from './tools.ts';

const CA_CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const NONROOT = 65532;

/** What every pod's sandbox runs. */
export async function pauseImage(): Promise<BuiltImage> {
  return await programImage(PAUSE, []);
}

export async function corednsImage(): Promise<BuiltImage> {
  return await programImage(COREDNS, []);
}

/** A small application for tests: an HTTP server on port 8080, and what go/hello.go can do besides. */
export async function helloImage(): Promise<BuiltImage> {
  return await programImage(HELLO, [{ path: 'tmp', kind: 'folder', mode: 0o1777 }]);
}

/**
 * A base image for the project's Dockerfile without a public registry: Node as npm installed it, the shared libraries
 * that it needs from this machine, CA certificates, and the user `nonroot` (65532).
 *
 * @param node path of the Node program; the one that runs this by default
 */
export async function nodeBaseImage(node: string = process.execPath): Promise<BuiltImage> {
  const libraries = await sharedLibraries(node);
  const certificates: readonly TarEntry[] = existsSync(CA_CERTIFICATES)
    ? [{ path: CA_CERTIFICATES.slice(1), kind: 'file', source: CA_CERTIFICATES }]
    : [];
  const system: readonly TarEntry[] = [...libraries, ...certificates, ...userDatabase()];
  return await buildImage({
    reference: 'localhost/ne-registry/node-base:26',
    layers: [
      withFolders([...system, { path: 'tmp', kind: 'folder', mode: 0o1777 }]),
      withFolders([{ path: 'usr/local/bin/node', kind: 'file', source: node, mode: 0o755 }]),
    ],
    config: {
      Entrypoint: ['/usr/local/bin/node'],
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', `SSL_CERT_FILE=/${CA_CERTIFICATES.slice(1)}`],
      User: `${NONROOT}:${NONROOT}`,
      WorkingDir: '/',
    },
  });
}

/**
 * Puts an image in buildah's local storage, for `buildah bud --build-arg BASE=<answer>`.
 *
 * @returns the reference that `FROM` resolves without a registry
 */
export async function loadIntoBuildah(image: BuiltImage): Promise<string> {
  await ensurePackages(IMAGE_PACKAGES);
  const known = await attempt('buildah', ['--storage-driver', 'vfs', 'inspect', '--type', 'image', image.reference]);
  if (known.code === 0 && known.stdout.includes(image.digest)) return image.reference;
  const destination = `containers-storage:[vfs@/var/lib/containers/storage+/run/containers/storage]${image.reference}`;
  await run('skopeo', ['--insecure-policy', 'copy', '--quiet', `oci:${image.layout}`, destination]);
  return image.reference;
}

async function programImage(tool: GoTool, more: readonly TarEntry[]): Promise<BuiltImage> {
  const program = await goTool(tool);
  return await buildImage({
    reference: `localhost/ne-registry/${tool.name}:${tool.version}`,
    layers: [
      withFolders([...userDatabase(), { path: tool.name, kind: 'file', source: program, mode: 0o755 }, ...more]),
    ],
    config: { Entrypoint: [`/${tool.name}`], User: `${NONROOT}:${NONROOT}`, WorkingDir: '/' },
  });
}

async function sharedLibraries(program: string): Promise<readonly TarEntry[]> {
  const listing = await run('ldd', [program]);
  const paths = [...listing.matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)].map((match) => match[1] ?? '');
  if (paths.length === 0) throw new Error(`ldd names no shared library of ${program}:\n${listing}`);
  return paths.map((source) => ({ path: source.slice(1), kind: 'file', source, mode: 0o755 }));
}

function userDatabase(): readonly TarEntry[] {
  const user = (name: string, id: number) => `${name}:x:${id}:${id}:${name}:/:/sbin/nologin\n`;
  const text = (path: string, content: string): TarEntry => ({ path, kind: 'text', text: content });
  return [
    text('etc/passwd', user('root', 0) + user('nonroot', NONROOT)),
    text('etc/group', `root:x:0:\nnonroot:x:${NONROOT}:\n`),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
  ];
}

/** Adds the folders above each entry, once and before it; tar readers differ in what they make up for a missing one. */
function withFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  const folders = new Set<string>();
  for (const entry of entries) {
    for (let path = dirname(entry.path); path !== '.'; path = dirname(path)) folders.add(path);
  }
  const above = [...folders].sort().map((path): TarEntry => ({ path: join(path), kind: 'folder' }));
  return [...above, ...entries];
}
