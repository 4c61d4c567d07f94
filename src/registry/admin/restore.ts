import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { RegistryBootstrap } from '../../api/bootstrap/v1alpha1.ts';
import { codeOf, Fatal, messageOf } from '../../platform/fatal.ts';
import { dataDirectoryOf } from '../config.ts';
import type { Recovery } from '../metadata/recovery.ts';
import { openFolder, openJournalRecords, openTargetRecords } from '../records.ts';
import { writeBase } from '../recovery/base.ts';
import { checkpointName, readSnapshotName, surveySnapshots } from '../recovery/names.ts';
import { DamagedFile } from '../recovery/portable.ts';
import type { Candidate } from '../recovery/restore/plan.ts';
import { isComplete, type RestoreReport } from '../recovery/restore/report.ts';
import { prepareRestore, type Restoring } from '../recovery/restore/restore.ts';
import type { RecordStore } from '../storage/records.ts';
import { openBlobs, openMetadata } from '../stores.ts';
import type { RestoreFlags } from './flags.ts';
import { documentOf, type Outputs, told } from './place.ts';
import { progressOn } from './progress.ts';
import { describeRestore } from './restore-text.ts';

/** What a run of the command tells beside what restoring itself does. */
export interface RestoreResult extends RestoreReport {
  /** The database that was there before. */
  readonly keptAside?: string;
}

/** `ne-registry admin restore`: 0 where everything came back, 1 where something did not. Throws Fatal where nothing was changed. */
export async function runRestore(flags: RestoreFlags, output: Outputs): Promise<number> {
  const document = await documentOf(flags);
  const result = await told(() => restore(document, flags, output));
  output.stdout.write(flags.output === 'json' ? `${JSON.stringify(result, null, 2)}\n` : describeRestore(result));
  return isComplete(result) ? 0 : 1;
}

async function restore(document: RegistryBootstrap, flags: RestoreFlags, output: Outputs): Promise<RestoreResult> {
  const journal = await openJournalRecords(document);
  const { blobs } = await openBlobs(document, { mode: 'read' });
  const sources = await sourcesOf(document, flags.from);
  const bar = progressOn(output.stderr, 'restoring');
  try {
    const restoring = await prepared({ journal, blobs, ...sources });
    const rows = countedBy(restoring, (count) => bar.show(count, 0, `${count} rows`));
    const keptAside = await put(document, flags.force === true, async (metadata) => {
      await metadata.import(rows);
      await adoptSnapshots(document, metadata);
    });
    await beginEpoch(document, journal, restoring.newest.epoch + 1);
    return { ...restoring.report, ...(keptAside !== undefined && { keptAside }) };
  } finally {
    bar.end();
    await sources.snapshots?.close();
    await blobs.close();
    await journal.close();
  }
}

async function prepared(parts: Parameters<typeof prepareRestore>[0]): Promise<Restoring> {
  try {
    const restoring = await prepareRestore(parts);
    if (restoring.found) return restoring;
  } catch (error) {
    throw error instanceof DamagedFile ? new Fatal(`${error.message}; nothing was changed`, { cause: error }) : error;
  }
  throw new Fatal(
    'there is nothing to restore from: no journal beside the blobs, and no snapshot in the second place. Name a snapshot with --from; nothing was changed',
  );
}

async function* countedBy({ rows }: Restoring, show: (count: number) => void): Restoring['rows'] {
  let count = 0;
  for await (const row of rows) {
    show(++count);
    yield row;
  }
}

/** A database in a file is replaced as a whole; one on a server has to be empty. @returns where the old one is kept */
async function put(
  document: RegistryBootstrap,
  force: boolean,
  fill: (metadata: Recovery) => Promise<void>,
): Promise<string | undefined> {
  if (document.metadata.postgres === undefined) {
    const directory = document.metadata.sqlite?.path ?? dataDirectoryOf(document) ?? '';
    await mkdir(directory, { recursive: true, mode: 0o750 });
    const { replaceSqlite } = await import('../metadata/sqlite/replace.ts');
    return replaceSqlite({ directory, force, now: Date.now() }, fill);
  }
  const metadata = await openMetadata(document, { mode: 'offline', onDeath: () => undefined });
  try {
    await requireEmpty(metadata);
    await fill(metadata);
  } finally {
    await metadata.close();
  }
  return undefined;
}

/** From the first moment on, what a kept snapshot names is not unlinked. */
async function adoptSnapshots({ backup }: RegistryBootstrap, metadata: Recovery): Promise<void> {
  if (backup === undefined) return;
  const target = await openTargetRecords(backup.target);
  try {
    for (const { name, sequence, takenAt, size } of await surveySnapshots(target))
      await metadata.addSnapshot({ name, sequence, takenAt, size });
  } finally {
    await target.close();
  }
}

async function requireEmpty(metadata: Pick<Recovery, 'lastSequence'>): Promise<void> {
  if ((await metadata.lastSequence()) === 0) return;
  throw new Fatal(
    'the PostgreSQL database is not empty, and nothing was changed. Stop every replica, give the registry an empty database (keep the old one until all is well), and run this again',
  );
}

/** What was restored is where the journal goes on from, whatever is left of the files before. */
async function beginEpoch(document: RegistryBootstrap, journal: RecordStore, epoch: number): Promise<void> {
  const metadata = await openMetadata(document, { mode: 'read', onDeath: () => undefined });
  try {
    await writeBase({ metadata, records: journal, name: ({ sequence }) => checkpointName(epoch, sequence) });
  } catch (cause) {
    throw new Fatal(
      `the metadata is restored, but no checkpoint of it could be written beside the blobs: ${messageOf(cause)}. Run \`ne-registry admin restore --force\` again before the registry is started`,
      { cause },
    );
  } finally {
    await metadata.close();
  }
}

interface Sources {
  readonly snapshots?: RecordStore;
  readonly exactly?: Candidate;
}

/** `newest`, a folder with snapshots, a snapshot's file, or the name of one in the second place. */
async function sourcesOf({ backup }: RegistryBootstrap, from: string): Promise<Sources> {
  const found = from === 'newest' ? undefined : await stat(from).catch(absentAsUndefined);
  if (found?.isDirectory()) return { snapshots: await openFolder(from) };
  if (found?.isFile()) return { exactly: { ...momentOf(from), open: async () => createReadStream(from) } };
  const snapshots = backup && (await openTargetRecords(backup.target));
  if (from === 'newest') return snapshots === undefined ? {} : { snapshots };
  if (snapshots === undefined)
    throw new Fatal(`--from ${from}: there is no such file or folder, and no backup.target is set`, { exit: 'usage' });
  return { snapshots, exactly: { ...momentOf(from), open: () => snapshots.get(from) } };
}

/** A file that was renamed does not tell where it stands; its head tells what is in it. */
function momentOf(from: string): Pick<Candidate, 'name' | 'epoch' | 'sequence'> {
  const { epoch = 0, sequence = 0 } = readSnapshotName(basename(from)) ?? {};
  return { name: from, epoch, sequence };
}

function absentAsUndefined(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
  throw error;
}
