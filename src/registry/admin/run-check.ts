import type { RegistryBootstrap } from '../../api/bootstrap/v1alpha1.ts';
import { Fatal, messageOf } from '../../platform/fatal.ts';
import { dataDirectoryOf } from '../config.ts';
import { type CheckResult, check, type Finding } from './check.ts';
import type { AdminCheckFlags } from './flags.ts';
import { documentOf, type Outputs, withStores } from './place.ts';
import { progressOn } from './progress.ts';

const mostDatabaseFindings = 20;

/** `ne-registry admin check`: 0 where all is well, 1 where something is damaged. Throws Fatal where it cannot look. */
export async function runCheck(flags: AdminCheckFlags, output: Outputs): Promise<number> {
  const document = await documentOf(flags);
  const damage = await databaseFindings(document);
  // With a damaged database the rest would say nothing that can be relied on.
  const result =
    damage.length > 0 ? { ...nothing, findings: damage } : await checkContent(document, flags, output.stderr);
  output.stdout.write(flags.output === 'json' ? `${JSON.stringify(result, null, 2)}\n` : describe(result, flags));
  return result.findings.length === 0 ? 0 : 1;
}

const nothing: CheckResult = { manifests: 0, blobs: 0, rehashedBytes: 0, findings: [] };

/** A database server checks its own files. */
async function databaseFindings(document: RegistryBootstrap): Promise<Finding[]> {
  if (document.metadata.postgres !== undefined) return [];
  const directory = document.metadata.sqlite?.path ?? dataDirectoryOf(document) ?? '';
  const { openForReading } = await import('../metadata/sqlite/connection.ts');
  const { databasePath } = await import('../metadata/sqlite/open.ts');
  const { checkHeader, findDamage } = await import('../metadata/sqlite/soundness.ts');
  const path = databasePath(directory);
  const finding = (problem: string): Finding => ({
    what: 'database',
    where: path,
    problem,
    remedy: 'stop the registry and run `ne-registry admin restore`; the blobs are not touched by this',
  });
  try {
    if (checkHeader(path) === 0) {
      throw new Fatal(`there is no registry in ${directory} (${path} is not there); name its data directory`, {
        exit: 'usage',
      });
    }
    const connection = openForReading(path);
    try {
      return findDamage(connection, mostDatabaseFindings).map(finding);
    } finally {
      connection.close();
    }
  } catch (error) {
    if (error instanceof Fatal) throw error;
    return [finding(messageOf(error))];
  }
}

function checkContent(
  document: RegistryBootstrap,
  flags: AdminCheckFlags,
  stderr: Outputs['stderr'],
): Promise<CheckResult> {
  return withStores(document, 'read', async (stores) => {
    const { manifests, blobs } = await stores.metadata.statistics();
    const bar = progressOn(stderr, 'checking');
    const onProgress = (done: { manifests: number; blobs: number }) =>
      bar.show(done.manifests + done.blobs, manifests + blobs);
    try {
      return await check({ ...stores, rehash: flags.rehash === true, onProgress });
    } finally {
      bar.end();
    }
  });
}

function describe({ manifests, blobs, findings }: CheckResult, { rehash }: AdminCheckFlags): string {
  const lines = findings.map(({ what, where, problem, remedy }) => `${what} ${where}: ${problem}; ${remedy}`);
  const looked = `${manifests} manifests and ${blobs} blobs looked at${rehash ? ', every byte hashed' : ''}`;
  const verdict = findings.length === 0 ? 'all is well' : `${findings.length} damaged`;
  return `${[...lines, `${looked}: ${verdict}`].join('\n')}\n`;
}
