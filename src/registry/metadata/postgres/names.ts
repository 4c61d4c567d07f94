import { createHash } from 'node:crypto';
import { blobFunctions } from './functions-blobs.ts';
import { copyFunctions } from './functions-copies.ts';
import { manifestFunctions } from './functions-manifests.ts';
import { progressFunctions } from './functions-progress.ts';
import { retentionFunctions } from './functions-retention.ts';
import { ruleFunctions } from './functions-rules.ts';
import { tagFunctions } from './functions-tags.ts';

const source = [
  blobFunctions,
  manifestFunctions,
  tagFunctions,
  progressFunctions,
  ruleFunctions,
  copyFunctions,
  retentionFunctions,
].join('\n');

/**
 * Functions are code of the program, not of the schema: their names end in a hash of all of them, so that the replicas of two
 * versions, side by side during an update, each call their own.
 */
export const CODE = createHash('sha256').update(source).digest('hex').slice(0, 10);

/** Replaces `fn.` by this program's names. */
export function named(sql: string): string {
  return sql.replaceAll(/\bfn\.(\w+)/g, `$1_${CODE}`);
}

/** What makes every function of this program. */
export const functions = named(source);
