import type { Digest } from '../../../domain/oci/digest.ts';
import { importBatches } from '../import-batches.ts';
import type { ExportedRow } from '../recovery.ts';
import type { Writer } from './writer.ts';

/** Rows in one transaction. */
const mostRows = 500;

/** Puts exported rows into an empty store. Throws StoreError; what was put in so far stays then. */
export async function importInto(writer: Writer, rows: AsyncIterable<ExportedRow>): Promise<void> {
  await writer.execute('requireEmpty', {});
  for await (const batch of importBatches(rows, mostRows)) await writer.execute('importRows', { rows: batch });
  let last: Digest | undefined | '' = '';
  while (last !== undefined) last = await writer.execute('reviewImported', { last, limit: mostRows });
  await writer.execute('accountForAll', {});
}
