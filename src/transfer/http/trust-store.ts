import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import type { HostTrust } from './wire.ts';

/** Where container tools look for per-host certificates: `FOLDER/HOST[:PORT]/{*.crt, *.cert + *.key}`. */
export const systemCertificateFolders: readonly string[] = ['/etc/containers/certs.d', '/etc/docker/certs.d'];

/** Node's own authorities and those of the operating system, read once and at first need (it takes some 50 ms). */
export function authoritiesOfTheSystem(extra: readonly string[] = []): () => readonly string[] {
  let known: readonly string[] | undefined;
  return () => {
    known ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...extra])];
    return known;
  };
}

/** The certificates that `folders` hold for a host. A folder that is missing or unreadable holds none. */
export function certificatesFor(host: string, folders: readonly string[]): Pick<HostTrust, 'ca' | 'cert' | 'key'> {
  const found: { ca: string[]; cert?: string; key?: string } = { ca: [] };
  for (const folder of folders) {
    for (const file of filesIn(join(folder, host))) {
      const path = join(folder, host, file);
      if (file.endsWith('.crt')) found.ca.push(...textOf(path));
      if (file.endsWith('.cert') && found.cert === undefined) {
        const [cert] = textOf(path);
        const [key] = textOf(path.replace(/\.cert$/, '.key'));
        if (cert !== undefined && key !== undefined) Object.assign(found, { cert, key });
      }
    }
  }
  return found;
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function textOf(path: string): string[] {
  try {
    return [readFileSync(path, 'utf8')];
  } catch {
    return [];
  }
}
