import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePackages } from '../../e2e/cluster/packages.ts';
import { freePort } from '../../programs/port.ts';
import { Program } from '../process.ts';
import { served } from './served.ts';
import type { Server, TlsFiles } from './server.ts';

/** Starts Debian's nginx as a server of files with sendfile: what can be had of the kernel for bytes alone. */
export async function startNginx(options: { folder: string; files: string; tls?: TlsFiles }): Promise<Server> {
  await ensurePackages(['nginx-light', 'wrk']);
  const { folder, files, tls } = options;
  const host = `127.0.0.1:${await freePort()}`;
  await mkdir(join(folder, 'temporary'), { recursive: true });
  const config = join(folder, 'nginx.conf');
  const lines = [
    'daemon off;',
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'worker_processes auto;',
    `pid ${join(folder, 'nginx.pid')};`,
    `error_log ${join(folder, 'nginx-error.log')};`,
    'events { worker_connections 4096; }',
    'http {',
    '  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type application/octet-stream;',
    `  client_body_temp_path ${join(folder, 'temporary')};`,
    '  server {',
    `    listen ${host}${tls === undefined ? '' : ' ssl'} reuseport backlog=4096;`,
    ...(tls === undefined ? [] : [`    ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`]),
    `    root ${files};`,
    '  }',
    '}',
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const program = new Program('nginx', ['-c', config, '-p', folder], { logFile: join(folder, 'nginx.log') });
  return served(program, { name: 'nginx', host, tls: tls !== undefined, authorization: undefined });
}
