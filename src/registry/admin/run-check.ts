import { Fatal, messageOf } from '../../platform/fatal.ts';
import { openForReading } from '../metadata/sqlite/connection.ts';
import { databasePath } from '../metadata/sqlite/open.ts';
import { checkHeader, findDamage } from '../metadata/sqlite/soundness.ts';
import { openStores } from '../stores.ts';
import { type CheckResult, check, type Finding } from './check.ts';
import type { AdminCheckFlags } from './flags.ts';

interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const mostDatabaseFindings = 20;

/** `ne-registry admin check`: 0 where all is well, 1 where something is damaged. Throws Fatal where it cannot look. */
export async function runCheck(flags: AdminCheckFlags, output: { stdout: Output; stderr: Output }): Promise<number> {
  const damage = databaseFindings(flags.data);
  // With a damaged database the rest would say nothing that can be relied on.
  const result = damage.length > 0 ? { ...nothing, findings: damage } : await checkContent(flags, output.stderr);
  output.stdout.write(flags.output === 'json' ? `${JSON.stringify(result, null, 2)}\n` : describe(result, flags));
  return result.findings.length === 0 ? 0 : 1;
}

const nothing: CheckResult = { manifests: 0, blobs: 0, rehashedBytes: 0, findings: [] };

function databaseFindings(directory: string): Finding[] {
  const path = databasePath(directory);
  const finding = (problem: string): Finding => ({
    what: 'database',
    where: path,
    problem,
    remedy: 'stop the registry and restore the newest backup; the blobs are not touched by this',
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

async function checkContent(flags: AdminCheckFlags, stderr: Output): Promise<CheckResult> {
  const document = { storage: { filesystem: { path: flags.data } }, metadata: { sqlite: {} }, limits: { reserveBytes: 0 } };
  const stores = await openStores(document, { mode: 'read', onDeath: () => undefined });
  try {
    const { manifests, blobs } = await stores.metadata.statistics();
    const bar = progressBar(stderr, manifests + blobs);
    const onProgress = (done: { manifests: number; blobs: number }) => bar.show(done.manifests + done.blobs);
    const result = await check({ ...stores, rehash: flags.rehash === true, onProgress });
    bar.end();
    return result;
  } finally {
    await stores.close();
  }
}

/** One line that is written over and over, on a terminal only. */
function progressBar(stderr: Output, total: number): { show(done: number): void; end(): void } {
  const width = 30;
  let shown = -1;
  return {
    show(done) {
      const percent = Math.min(100, Math.floor((done / Math.max(total, 1)) * 100));
      if (!stderr.isTTY || percent === shown) return;
      shown = percent;
      const filled = Math.round((percent / 100) * width);
      stderr.write(`\rchecking [${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${percent}%`);
    },
    end() {
      if (stderr.isTTY) stderr.write(`\r${' '.repeat(width + 20)}\r`);
    },
  };
}

function describe({ manifests, blobs, findings }: CheckResult, { rehash }: AdminCheckFlags): string {
  const lines = findings.map(({ what, where, problem, remedy }) => `${what} ${where}: ${problem}; ${remedy}`);
  const looked = `${manifests} manifests and ${blobs} blobs looked at${rehash ? ', every byte hashed' : ''}`;
  const verdict = findings.length === 0 ? 'all is well' : `${findings.length} damaged`;
  return `${[...lines, `${looked}: ${verdict}`].join('\n')}\n`;
}
