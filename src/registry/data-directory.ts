import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import { writeFileAtomic } from '../platform/atomic-file.ts';
import { codeOf, Fatal, messageOf } from '../platform/fatal.ts';
import { newSigningKey } from './auth/signing-key.ts';
import { dataDirectoryOf, ownFiles } from './config.ts';

/**
 * Makes the data directory where one is configured and there is none, and in it the key for tokens where none is configured.
 * @throws Fatal that says why the directory cannot be used, and what to do
 */
export async function prepareDataDirectory(document: RegistryBootstrap): Promise<void> {
  const path = dataDirectoryOf(document);
  if (path === undefined) return;
  try {
    await mkdir(path, { recursive: true, mode: 0o750 });
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const key = ownFiles(document)?.tokenKey;
    if (key !== undefined && document.auth.token.privateKeyFile === undefined) await ensureTokenKey(key);
  } catch (cause) {
    throw new Fatal(`the data directory ${path} ${unusable(cause)}`, { cause });
  }
}

async function ensureTokenKey(file: string): Promise<void> {
  try {
    await access(file, constants.F_OK);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await writeFileAtomic(file, newSigningKey());
  }
}

function unusable(error: unknown): string {
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return `cannot be written by user id ${process.getuid?.() ?? '?'}; give it that owner (in Kubernetes: fsGroup), or name another with --data`;
    case 'EROFS':
      return 'is on a read-only file system; mount it for writing, or name another with --data';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'has no space left; enlarge the volume or remove something else from it, then start again';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'is not a directory; name another with --data';
    default:
      return `cannot be used: ${messageOf(error)}`;
  }
}
