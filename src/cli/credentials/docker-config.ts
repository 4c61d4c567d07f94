import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CliFailure } from '../failure.ts';

/** One entry of `auths` in a Docker or containers configuration file. */
export interface AuthEntry {
  auth?: string;
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
}

/** What we read of `config.json`; everything else in it is kept as it is. */
export interface DockerConfig {
  auths?: Record<string, AuthEntry>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  [other: string]: unknown;
}

/** Reads a configuration file; an absent one is empty. @throws CliFailure when it is damaged or unreadable */
export async function readDockerConfig(path: string): Promise<DockerConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new CliFailure(`cannot read the credentials in ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    const config: unknown = text.trim() === '' ? {} : JSON.parse(text);
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as DockerConfig;
  } catch {
    // The parser's message would quote the file, which holds secrets.
  }
  throw new CliFailure(`${path} is no valid JSON object; repair it or move it away`);
}

/** Replaces a configuration file in one step, readable by its owner alone. */
export async function writeDockerConfig(path: string, config: DockerConfig): Promise<void> {
  const final = await realpath(path).catch(() => path);
  await mkdir(dirname(final), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(final), `.${basename(final)}.${randomBytes(6).toString('hex')}`);
  try {
    await writeFile(temporary, `${JSON.stringify(config, undefined, '\t')}\n`, { mode: 0o600, flag: 'wx' });
    await chmod(temporary, 0o600);
    await rename(temporary, final);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new CliFailure(`cannot write the credentials to ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/**
 * The key in `auths` for a host, the most specific first: containers' files may hold `host/team/app` and `host/team`,
 * Docker's may hold a URL. Docker Hub goes by the name of its first API.
 */
export function matchingKey(keys: readonly string[], host: string, repository = ''): string | undefined {
  const hub = host === 'docker.io' || host === 'index.docker.io' || host === 'registry-1.docker.io';
  const hosts = hub ? ['docker.io', 'index.docker.io', 'registry-1.docker.io'] : [host];
  const path = repository === '' ? [] : repository.split('/');
  for (let length = path.length; length >= 0; length--) {
    const wanted = hosts.map((name) => [name, ...path.slice(0, length)].join('/'));
    const found = keys.find((key) => wanted.includes(normalKey(key)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The key that is written for a host. */
export function keyFor(host: string): string {
  return host === 'docker.io' || host === 'index.docker.io' ? 'https://index.docker.io/v1/' : host;
}

function normalKey(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/(v1|v2)\/?$/, '')
    .replace(/\/$/, '')
    .toLowerCase();
}
