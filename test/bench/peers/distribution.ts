import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { distributionProgram } from '../../programs/distribution.ts';
import { freePort } from '../../programs/port.ts';
import { Program } from '../process.ts';
import { served } from './served.ts';
import type { Server, TlsFiles } from './server.ts';

export interface DistributionOptions {
  readonly name?: string;
  /** An existing folder for its configuration and log; its data is in `data` below it. */
  readonly folder: string;
  readonly tls?: TlsFiles;
  /** Lines of YAML below `storage:` in place of the file system. */
  readonly storage?: readonly string[];
  readonly user?: { readonly htpasswd: string; readonly authorization: string };
}

/** Starts the CNCF's registry with the settings of its own `config-example.yml`: what most people run. */
export async function startDistribution(options: DistributionOptions): Promise<Server> {
  const { folder, tls, user, name = 'distribution' } = options;
  const host = `127.0.0.1:${await freePort()}`;
  const storage = options.storage ?? ['  filesystem:', `    rootdirectory: ${join(folder, 'data')}`];
  const config = join(folder, `${name}.yml`);
  const lines = [
    'version: 0.1',
    'log:',
    '  fields:',
    '    service: registry',
    'storage:',
    '  cache:',
    '    blobdescriptor: inmemory',
    ...storage,
    '  tag:',
    '    concurrencylimit: 8',
    'http:',
    `  addr: ${host}`,
    '  headers:',
    '    X-Content-Type-Options: [nosniff]',
    ...(tls === undefined ? [] : ['  tls:', `    certificate: ${tls.cert}`, `    key: ${tls.key}`]),
    ...(user === undefined ? [] : ['auth:', '  htpasswd:', '    realm: bench', `    path: ${user.htpasswd}`]),
    'health:',
    '  storagedriver:',
    '    enabled: true',
    '    interval: 10s',
    '    threshold: 3',
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const program = new Program(await distributionProgram(), ['serve', config], {
    logFile: join(folder, `${name}.log`),
    env: { OTEL_TRACES_EXPORTER: 'none' },
  });
  return served(program, { name, host, tls: tls !== undefined, authorization: user?.authorization });
}
