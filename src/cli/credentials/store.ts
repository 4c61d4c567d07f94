import { join } from 'node:path';
import type { Credentials } from '../../transfer/registry/credentials.ts';
import {
  type AuthEntry,
  type DockerConfig,
  keyFor,
  matchingKey,
  readDockerConfig,
  writeDockerConfig,
} from './docker-config.ts';
import { askHelper, eraseWithHelper, storeWithHelper } from './helper-program.ts';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Told what is worth knowing and no failure. */
  readonly warn: (message: string) => void;
}

/** The user's registry credentials, in the files and helpers that Docker, Podman and skopeo read. */
export class CredentialStore {
  readonly #surroundings: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** The file that `save` and `remove` change: `$REGISTRY_AUTH_FILE`, else `config.json` in `$DOCKER_CONFIG` or `~/.docker`. */
  get file(): string {
    const { env, home } = this.#surroundings;
    return env.REGISTRY_AUTH_FILE || join(env.DOCKER_CONFIG || join(home, '.docker'), 'config.json');
  }

  /** The first that the files, in the order of `files`, have for a host. */
  async find(host: string, repository?: string): Promise<Credentials | undefined> {
    for (const file of this.#files()) {
      const found = await this.#findIn(await readDockerConfig(file), host, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Keeps credentials for a host. Answers where: a file's path, or the name of a helper. */
  async save(host: string, username: string, password: string): Promise<string> {
    const config = await readDockerConfig(this.file);
    const key = keyFor(host);
    const helper = config.credHelpers?.[key] ?? config.credHelpers?.[host] ?? config.credsStore;
    const entry: AuthEntry =
      helper === undefined ? { auth: Buffer.from(`${username}:${password}`, 'utf8').toString('base64') } : {};
    if (helper !== undefined) await storeWithHelper(helper, { ServerURL: key, Username: username, Secret: password });
    await writeDockerConfig(this.file, { ...config, auths: { ...withoutHost(config, host), [key]: entry } });
    return helper === undefined ? this.file : `docker-credential-${helper}`;
  }

  /** Forgets a host. Answers whether there was anything, and which other file still has credentials for it. */
  async remove(host: string): Promise<{ removed: boolean; stillIn: readonly string[] }> {
    const config = await readDockerConfig(this.file);
    const had = matchingKey(Object.keys(config.auths ?? {}), host) !== undefined;
    const helper = config.credHelpers?.[keyFor(host)] ?? config.credHelpers?.[host] ?? config.credsStore;
    if (helper !== undefined) await eraseWithHelper(helper, keyFor(host));
    if (had) await writeDockerConfig(this.file, { ...config, auths: withoutHost(config, host) });
    const stillIn: string[] = [];
    for (const file of this.#files()) {
      if (file !== this.file && (await this.#findIn(await readDockerConfig(file), host)) !== undefined)
        stillIn.push(file);
    }
    return { removed: had || helper !== undefined, stillIn };
  }

  #files(): readonly string[] {
    const { env, home } = this.#surroundings;
    const docker = join(env.DOCKER_CONFIG || join(home, '.docker'), 'config.json');
    const runtime = env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'containers', 'auth.json')] : [];
    const config = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'containers', 'auth.json');
    return [...new Set([...(env.REGISTRY_AUTH_FILE ? [env.REGISTRY_AUTH_FILE] : []), docker, ...runtime, config])];
  }

  async #findIn(config: DockerConfig, host: string, repository?: string): Promise<Credentials | undefined> {
    const helperKey = matchingKey(Object.keys(config.credHelpers ?? {}), host);
    const helper = helperKey === undefined ? config.credsStore : config.credHelpers?.[helperKey];
    if (helper !== undefined) {
      const found = await this.#fromHelper(helper, host);
      if (found !== undefined) return found;
    }
    const key = matchingKey(Object.keys(config.auths ?? {}), host, repository);
    return key === undefined ? undefined : credentialsOf(config.auths?.[key]);
  }

  /** A helper that is missing or broken must not keep anybody from what needs no credentials. */
  async #fromHelper(helper: string, host: string): Promise<Credentials | undefined> {
    const entry = await askHelper(helper, keyFor(host)).catch((error: Error) => {
      this.#surroundings.warn(`${error.message}; going on without it`);
      return undefined;
    });
    if (entry === undefined) return undefined;
    return entry.Username === '<token>'
      ? { identityToken: entry.Secret }
      : { username: entry.Username, password: entry.Secret };
  }
}

function withoutHost(config: DockerConfig, host: string): Record<string, AuthEntry> {
  const auths = { ...config.auths };
  for (let key = matchingKey(Object.keys(auths), host); key !== undefined; key = matchingKey(Object.keys(auths), host))
    delete auths[key];
  return auths;
}

function credentialsOf(entry: AuthEntry | undefined): Credentials | undefined {
  if (entry === undefined) return undefined;
  if (entry.registrytoken) return { registryToken: entry.registrytoken };
  const pair = Buffer.from(entry.auth ?? '', 'base64')
    .toString('utf8')
    .replace(/\0+$/, '');
  const colon = pair.indexOf(':');
  const username = colon < 0 ? entry.username : pair.slice(0, colon);
  const password = colon < 0 ? entry.password : pair.slice(colon + 1);
  if (entry.identitytoken)
    return { identityToken: entry.identitytoken, ...(username === undefined ? {} : { username }) };
  return username === undefined || password === undefined ? undefined : { username, password };
}
