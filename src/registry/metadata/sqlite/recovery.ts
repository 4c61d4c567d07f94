import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow } from '../recovery.ts';
import type { Writer } from './writer.ts';

/** What one transaction of an import may hold. */
const most = { rows: 500, bytes: 4 * 1024 * 1024 };

/** Puts exported rows into an empty store. Throws StoreError; what was put in so far stays then. */
export async function importInto(writer: Writer, rows: AsyncIterable<ExportedRow>): Promise<void> {
  await writer.execute('requireEmpty', {});
  let batch: ExportedRow[] = [];
  let bytes = 0;
  const flush = async () => {
    if (batch.length > 0) await writer.execute('importRows', { rows: batch });
    batch = [];
    bytes = 0;
  };
  for await (const row of rows) {
    batch.push(row);
    bytes += row.row === 'manifest' ? row.bytes.byteLength : 0;
    if (batch.length >= most.rows || bytes >= most.bytes) await flush();
  }
  await flush();
  let last: Digest | undefined | '' = '';
  while (last !== undefined) last = await writer.execute('reviewImported', { last, limit: most.rows });
  await writer.execute('accountForAll', {});
}
