/** Registries that are run from a configuration file, killed, and worked on with the admin commands. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';
import { parseDocument } from '../../../src/registry/config.ts';
import { openJournalRecords } from '../../../src/registry/records.ts';
import { lastOf, newestEpoch, surveyJournal } from '../../../src/registry/recovery/names.ts';
import { openMetadata } from '../../../src/registry/stores.ts';
import { type Client, client } from '../registry/client.ts';
import { listening, run } from '../registry/server.ts';
import { until } from '../registry/space/until.ts';

const program = join(import.meta.dirname, '../../../bin/ne-registry.js');

/** A data directory, a second place, and the configuration that names them; nothing runs yet. */
export interface Site {
  readonly folder: string;
  readonly data: string;
  readonly target: string;
  /** File of the configuration. */
  readonly config: string;
  readonly authorization: string;
  discard(): void;
}

export interface Running extends Client {
  readonly url: string;
  readonly pid: number;
  readonly log: readonly string[];
  kill(): Promise<void>;
  stop(): Promise<number | null>;
}

/** `more` of the configuration, which may name the second place. */
export async function createSite(
  more: (target: string) => Partial<RegistryBootstrapInput> = () => ({}),
): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'ne-recovery-'));
  const [data, target, config] = [join(folder, 'data'), join(folder, 'second'), join(folder, 'config.yaml')];
  const password = randomBytes(18).toString('base64url');
  const made = await run(['admin', 'create-user', 'admin', '--data', data, '--password-stdin'], password);
  if (made.code !== 0) throw new Error(made.stderr);
  writeConfig(config, { storage: { filesystem: { path: data } }, ...more(target) });
  const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
  const discard = () => rmSync(folder, { recursive: true, force: true });
  return { folder, data, target, config, authorization, discard };
}

export function writeConfig(
  file: string,
  document: Partial<RegistryBootstrapInput> & Pick<RegistryBootstrapInput, 'storage'>,
): void {
  const head = { apiVersion: 'bootstrap.ne-registry.io/v1alpha1', kind: 'RegistryBootstrap' };
  writeFileSync(file, stringify({ ...head, listen: { api: '127.0.0.1:0' }, ...document }));
}

export async function serve({ config, authorization }: Pick<Site, 'config' | 'authorization'>): Promise<Running> {
  const child = spawn(process.execPath, [program, 'serve', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const log: string[] = [];
  const url = `http://${await listening(child, log)}`;
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return (await exited)[0];
  };
  return {
    ...client({ url, authorization }),
    url,
    pid: child.pid ?? 0,
    log,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
}

/**
 * Waits until every change that was committed before is in the journal. The metric alone does not tell: for up to a second after
 * a change the registry has not looked, and knows of no lag.
 * @param epoch of the journal: another one begins with each restore, whose changes are numbered anew
 */
export async function journaled(registry: Running, { config }: Pick<Site, 'config'>, epoch = 1): Promise<void> {
  const document = await parseDocument(readFileSync(config, 'utf8'), config);
  // Who may write numbers the changes in PostgreSQL that have no number yet; SQLite numbers them at once, and has one writer.
  const mode = document.metadata.postgres === undefined ? 'read' : 'serve';
  const metadata = await openMetadata(document, { mode, onDeath: assert.fail });
  const records = await openJournalRecords(document);
  try {
    const committed = await metadata.lastSequence();
    await until(
      'the journal has every change',
      async () => {
        const content = await surveyJournal(records);
        const newest = newestEpoch(content);
        return newest >= epoch && lastOf(content, newest) >= committed;
      },
      60,
    );
  } finally {
    await records.close();
    await metadata.close();
  }
  const metrics = async () => (await registry.request('GET', '/metrics')).body.toString();
  await until('there is no lag', async () => /^ne_registry_journal_lag_seconds 0$/m.test(await metrics()));
}

/** Runs `ne-registry admin …`; what it says as JSON where it was asked to. */
export async function admin(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return run(['admin', ...args]);
}
