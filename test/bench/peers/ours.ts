import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';
import { freePort } from '../../programs/port.ts';
import { Program } from '../process.ts';
import { served } from './served.ts';
import type { Server, TlsFiles } from './server.ts';

export interface OursOptions {
  readonly name?: string;
  /** Folder that `build/bundle.ts` filled. */
  readonly bundle: string;
  /** An existing folder for its data, its configuration and its log. */
  readonly folder: string;
  readonly tls?: TlsFiles;
  /** A user of `htpasswd` and the header that proves it; without it everybody may push. */
  readonly user?: { readonly htpasswd: string; readonly authorization: string };
  /** File of the key that signs tokens; needed where there is no data directory. */
  readonly tokenKey?: string;
  /** What differs from a registry on its own volume. */
  readonly document?: Partial<RegistryBootstrapInput>;
  /** Where it listens, where not on the loopback interface: an address in a network namespace. */
  readonly at?: { readonly namespace: string; readonly address: string } | undefined;
}

/** Starts NE Registry as its image does: the bundle, with the settings of the entry point. */
export async function startOurs(options: OursOptions): Promise<Server> {
  const { bundle, folder, tls, user, tokenKey, at, name = 'ours' } = options;
  const host = `${at?.address ?? '127.0.0.1'}:${await freePort()}`;
  const document: RegistryBootstrapInput = {
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    listen: { api: host },
    storage: { filesystem: { path: join(folder, 'data') } },
    auth: {
      ...(user === undefined ? { anonymous: 'Push' } : { htpasswdFiles: [user.htpasswd] }),
      ...(tokenKey !== undefined && { token: { privateKeyFile: tokenKey } }),
    },
    ...(tls && { tls: { certFile: tls.cert, keyFile: tls.key } }),
    ...options.document,
  };
  const config = join(folder, `${name}.json`);
  await writeFile(config, JSON.stringify(document));
  const { environment, flags } = await settings();
  const program = new Program(
    process.execPath,
    [...flags, join(bundle, 'ne-registry.js'), 'serve', '--config', config],
    { logFile: join(folder, `${name}.log`), env: environment, namespace: at?.namespace },
  );
  return served(program, { name, host, tls: tls !== undefined, authorization: user?.authorization });
}

async function settings(): Promise<{ flags: readonly string[]; environment: NodeJS.ProcessEnv }> {
  const file = join(import.meta.dirname, '../../../bin/settings.js');
  return (await import(file)) as { flags: readonly string[]; environment: NodeJS.ProcessEnv };
}
