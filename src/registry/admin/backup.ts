import { join } from 'node:path';
import type { RegistryBootstrap } from '../../api/bootstrap/v1alpha1.ts';
import { Fatal } from '../../platform/fatal.ts';
import { openFolder, openJournalRecords, openTargetRecords } from '../records.ts';
import { type WrittenBase, writeBase } from '../recovery/base.ts';
import { newestEpoch, snapshotName, surveyJournal } from '../recovery/names.ts';
import type { RecordStore } from '../storage/records.ts';
import { openMetadata } from '../stores.ts';
import type { BackupFlags } from './flags.ts';
import { documentOf, type Outputs, told } from './place.ts';
import { progressOn, sizeOf } from './progress.ts';

/** `ne-registry admin backup`: 0 where the snapshot is whole in its place. Throws Fatal. */
export async function runBackup(flags: BackupFlags, output: Outputs): Promise<number> {
  const document = await documentOf(flags);
  const target = await targetOf(document, flags.to);
  try {
    const written = await told(() => snapshot(document, target, output));
    output.stdout.write(
      flags.output === 'json'
        ? `${JSON.stringify(resultOf(written, flags.to), null, 2)}\n`
        : describe(written, flags.to),
    );
    return 0;
  } finally {
    await target.close();
  }
}

function targetOf({ backup }: RegistryBootstrap, to: string | undefined): Promise<RecordStore> {
  if (to !== undefined) return openFolder(to);
  if (backup !== undefined) return openTargetRecords(backup.target);
  throw new Fatal('say where the snapshot shall go: --to DIR, or backup.target in the configuration', {
    exit: 'usage',
  });
}

async function snapshot(document: RegistryBootstrap, target: RecordStore, { stderr }: Outputs): Promise<WrittenBase> {
  const epoch = await epochOf(document);
  const metadata = await openMetadata(document, { mode: 'read', onDeath: () => undefined });
  const bar = progressOn(stderr, 'snapshot');
  try {
    const { repositories, manifests, tags, blobs } = await metadata.statistics();
    // Who sees a blob is about as many rows as there are blobs.
    const expected = repositories + manifests + tags + 2 * blobs;
    let rows = 0;
    const onRow = () => bar.show(++rows, expected, `${rows} rows`);
    return await writeBase({ metadata, records: target, name: (moment) => snapshotName({ ...moment, epoch }), onRow });
  } finally {
    bar.end();
    await metadata.close();
  }
}

/** A journal that was not begun yet begins with the first epoch. */
async function epochOf(document: RegistryBootstrap): Promise<number> {
  const journal = await openJournalRecords(document);
  try {
    return Math.max(1, newestEpoch(await surveyJournal(journal)));
  } finally {
    await journal.close();
  }
}

function resultOf({ name, sequence, takenAt, size }: WrittenBase, to: string | undefined) {
  const file = to === undefined ? {} : { file: join(to, name) };
  return { snapshot: name, sequence, takenAt: new Date(takenAt).toISOString(), size, ...file };
}

function describe(written: WrittenBase, to: string | undefined): string {
  const where = to === undefined ? `${written.name} in backup.target` : join(to, written.name);
  return `snapshot of ${new Date(written.takenAt).toISOString()}, ${sizeOf(written.size)}: ${where}\n`;
}
