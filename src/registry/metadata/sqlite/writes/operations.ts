import type { Connection } from '../connection.ts';
import { addBlob, deleteBlob, mountBlob, quarantineBlob, renewLease } from './blobs.ts';
import { dropCopies, putCopies } from './copies.ts';
import { expireImages } from './expiry.ts';
import { keepInventories, putInventory } from './inventories.ts';
import { claimJob, enqueueJob, finishJob, renewJob } from './jobs.ts';
import { deleteManifest, notePulls, putManifest } from './manifests.ts';
import { condemnBlobs, dropCondemned, releaseBlob, trimHistory } from './reclaim.ts';
import { addSnapshot, dropSnapshot, importRows, requireEmpty, reviewImported } from './recovery.ts';
import { accountForAll, addRemovals, forgetRemovals } from './removals.ts';
import { deleteReplicatedTag } from './replicated-tags.ts';
import { deleteRule, putRule, putRuleState } from './rules.ts';
import { deleteTag } from './tags.ts';
import { emptyTrash, restoreImages } from './trash.ts';
import { createUpload, deleteUpload, holdUpload, releaseUpload } from './uploads.ts';

/** Every write there is, as a function of a connection and plain data: the same on the writer thread and offline. */
export const operations = {
  createUpload,
  deleteUpload,
  holdUpload,
  releaseUpload,
  addBlob,
  mountBlob,
  renewLease,
  deleteBlob,
  quarantineBlob,
  putManifest,
  deleteTag,
  deleteManifest,
  notePulls,
  condemnBlobs,
  dropCondemned,
  addRemovals,
  forgetRemovals,
  releaseBlob,
  trimHistory,
  enqueueJob,
  claimJob,
  renewJob,
  finishJob,
  addSnapshot,
  dropSnapshot,
  requireEmpty,
  importRows,
  reviewImported,
  accountForAll,
  putRule,
  deleteRule,
  putRuleState,
  deleteReplicatedTag,
  putCopies,
  dropCopies,
  expireImages,
  restoreImages,
  emptyTrash,
  putInventory,
  keepInventories,
};

export type OperationName = keyof typeof operations;
export type Arguments<Name extends OperationName> = Parameters<(typeof operations)[Name]>[1];
export type Result<Name extends OperationName> = ReturnType<(typeof operations)[Name]>;

/** Operations that free space, or lead to it: they may use the reserve when the disk is full. */
export const freeing: ReadonlySet<OperationName> = new Set<OperationName>([
  'deleteUpload',
  'deleteBlob',
  'deleteTag',
  'deleteReplicatedTag',
  'deleteManifest',
  'expireImages',
  'emptyTrash',
  'condemnBlobs',
  'dropCondemned',
  'addRemovals',
  'forgetRemovals',
  'trimHistory',
  // Reclaim is a job, and has to be claimed before it can free anything.
  'enqueueJob',
  'claimJob',
  'renewJob',
  'finishJob',
]);

/** Runs one operation by name, inside the caller's transaction. */
export function perform(connection: Connection, name: OperationName, data: unknown): unknown {
  return (operations[name] as (connection: Connection, data: unknown) => unknown)(connection, data);
}
