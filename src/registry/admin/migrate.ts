import { mkdir } from 'node:fs/promises';
import type { RegistryBootstrap } from '../../api/bootstrap/v1alpha1.ts';
import { Fatal, messageOf } from '../../platform/fatal.ts';
import { dataDirectoryOf } from '../config.ts';
import type { ExportedRow } from '../metadata/recovery.ts';
import { openMigrationRecords } from '../records.ts';
import { type MigrateResult, migrate } from '../recovery/migrate/migrate.ts';
import { openBlobs, openMetadata } from '../stores.ts';
import type { MigrateFlags } from './flags.ts';
import { documentAt, type Outputs, told } from './place.ts';
import { progressOn, sizeOf } from './progress.ts';

/** `ne-registry admin migrate`: 0 where the target is equal to the source, 1 where it is not (yet). Throws Fatal. */
export async function runMigrate(flags: MigrateFlags, output: Outputs): Promise<number> {
  const [from, to] = [await documentAt(flags.from), await documentAt(flags.to)];
  const result = await told(() => run(from, to, flags.allowDamaged === true, output));
  output.stdout.write(flags.output === 'json' ? `${JSON.stringify(result, null, 2)}\n` : describe(result));
  return result.stopped || result.difference !== undefined || result.damaged.length > 0 ? 1 : 0;
}

async function run(
  from: RegistryBootstrap,
  to: RegistryBootstrap,
  allowDamaged: boolean,
  { stderr }: Outputs,
): Promise<MigrateResult> {
  refuseSamePlace(from, to);
  const closing: (() => Promise<void>)[] = [];
  const opened = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const store = await opening;
    closing.unshift(() => store.close());
    return store;
  };
  const bar = progressOn(stderr, 'migrating');
  try {
    // Offline: takes the lock of a data directory, so that no registry serves from it.
    const metadata = await opened(openMetadata(from, { mode: 'offline', onDeath: () => undefined }));
    const blobs = await opened(openBlobs(from, { mode: 'read' }).then((one) => one.blobs));
    const directory = dataDirectoryOf(to);
    if (directory !== undefined) await mkdir(directory, { recursive: true, mode: 0o750 });
    const target = await opened(openBlobs(to, { mode: 'offline' }).then((one) => one.blobs));
    const records = await opened(openMigrationRecords(to));
    const state = new TargetMetadata(to);
    await state.requireEmpty();
    return await migrate({
      from: { metadata, blobs },
      to: { blobs: target, records, import: (rows) => state.import(rows), export: () => state.export() },
      allowDamaged,
      onBlobs: (done, total) =>
        bar.show(
          done.bytes,
          total.bytes,
          `${done.blobs} of ${total.blobs} blobs, ${sizeOf(done.bytes)} of ${sizeOf(total.bytes)}`,
        ),
      onPhase: (name) => bar.show(0, 0, name),
    });
  } finally {
    bar.end();
    for (const close of closing) await close();
  }
}

function refuseSamePlace(from: RegistryBootstrap, to: RegistryBootstrap): void {
  const same = (one: object, other: object) => JSON.stringify(one) === JSON.stringify(other);
  if (
    !same(from.storage, to.storage) &&
    !same({ ...from.metadata, at: dataDirectoryOf(from) }, { ...to.metadata, at: dataDirectoryOf(to) })
  )
    return;
  throw new Fatal('--from and --to share a store: name other storage and other metadata for the target', {
    exit: 'usage',
  });
}

/** The target's metadata: a file appears whole or not at all; a database on a server is filled as it is. */
class TargetMetadata {
  #document: RegistryBootstrap;

  constructor(document: RegistryBootstrap) {
    this.#document = document;
  }

  async requireEmpty(): Promise<void> {
    const document = this.#document;
    if (document.metadata.postgres === undefined) {
      const { refuseContent } = await import('../metadata/sqlite/replace.ts');
      return tellTarget(() => refuseContent(directoryOf(document)));
    }
    const metadata = await openMetadata(document, { mode: 'offline', onDeath: () => undefined });
    try {
      const [blob] = await metadata.blobs({ limit: 1 });
      const last = await metadata.lastSequence();
      if (blob === undefined && last === 0) return;
    } finally {
      await metadata.close();
    }
    throw new Fatal(
      'the PostgreSQL database of the target is not empty, and nothing was changed. Where an earlier migration was interrupted while it wrote metadata, make the database anew (DROP and CREATE DATABASE) and run this again: the blobs are not copied again',
    );
  }

  async import(rows: AsyncIterable<ExportedRow>): Promise<void> {
    const document = this.#document;
    if (document.metadata.postgres !== undefined) {
      const metadata = await openMetadata(document, { mode: 'offline', onDeath: () => undefined });
      return metadata.import(rows).finally(() => metadata.close());
    }
    const directory = directoryOf(document);
    await mkdir(directory, { recursive: true, mode: 0o750 });
    const { replaceSqlite } = await import('../metadata/sqlite/replace.ts');
    await tellTarget(() => replaceSqlite({ directory, force: false, now: Date.now() }, (store) => store.import(rows)));
  }

  async *export(): AsyncGenerator<ExportedRow> {
    const metadata = await openMetadata(this.#document, { mode: 'read', onDeath: () => undefined });
    try {
      yield* metadata.export();
    } finally {
      await metadata.close();
    }
  }
}

function directoryOf(document: RegistryBootstrap): string {
  return document.metadata.sqlite?.path ?? dataDirectoryOf(document) ?? '';
}

async function tellTarget(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const reason = messageOf(cause).replace(/ Give --force .*$/, '');
    throw new Fatal(`the metadata of the target: ${reason} A target has to be empty`, { cause });
  }
}

function describe({ blobs, bytes, skipped, damaged, stopped, difference }: MigrateResult): string {
  const lines = [
    `${blobs} blobs (${sizeOf(bytes)}) looked at, ${skipped} of them copied before`,
    ...damaged.map(({ digest, problem }) => `damaged in the source: ${digest} ${problem}`),
  ];
  if (stopped)
    lines.push(
      'stopped before the metadata: push the damaged images again, or give --allow-damaged to go on without these bytes',
    );
  else if (difference !== undefined) lines.push(`source and target differ: ${difference}`);
  else lines.push('the target holds everything; serve from it, and remove the source when you are content');
  return `${lines.join('\n')}\n`;
}
