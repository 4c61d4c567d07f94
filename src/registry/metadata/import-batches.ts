import type { ExportedRow } from './recovery.ts';

/** Bytes of manifests in one transaction of an import: it has to fit into memory. */
const mostBytes = 4 * 1024 * 1024;

/** Rows in what one transaction of an import may hold, in their order. @param mostRows in one of them */
export async function* importBatches(
  rows: AsyncIterable<ExportedRow>,
  mostRows: number,
): AsyncGenerator<ExportedRow[]> {
  let batch: ExportedRow[] = [];
  let bytes = 0;
  for await (const row of rows) {
    batch.push(row);
    bytes += 'bytes' in row ? row.bytes.byteLength : 0;
    if (batch.length < mostRows && bytes < mostBytes) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
