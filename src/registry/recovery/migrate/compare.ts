import { isDeepStrictEqual } from 'node:util';
import type { ExportedRow } from '../../metadata/recovery.ts';

/** Where two exports first differ, for people; undefined where they are equal. The moment they were taken does not count. */
export async function firstDifference(
  expected: AsyncIterable<ExportedRow>,
  found: AsyncIterable<ExportedRow>,
): Promise<string | undefined> {
  const [one, other] = [expected[Symbol.asyncIterator](), found[Symbol.asyncIterator]()];
  try {
    for (;;) {
      const [wanted, got] = await Promise.all([one.next(), other.next()]);
      if (wanted.done === true || got.done === true) {
        if (wanted.done === got.done) return undefined;
        return `${described(wanted.value)} in the source, ${described(got.value)} in the target`;
      }
      if (!isDeepStrictEqual(comparable(wanted.value), comparable(got.value)))
        return `${described(wanted.value)} in the source, ${described(got.value)} in the target`;
    }
  } finally {
    await one.return?.();
    await other.return?.();
  }
}

function comparable(row: ExportedRow): object {
  if (row.row === 'head') return { row: 'head' };
  return row.row === 'manifest' ? { ...row, bytes: Buffer.from(row.bytes).toString('base64') } : { ...row };
}

function described(row: ExportedRow | undefined): string {
  if (row === undefined) return 'the end';
  const name = ['repository', 'name', 'digest'].flatMap(
    (field) => (row as unknown as Record<string, string>)[field] ?? [],
  );
  return `${row.row} ${name.join(' ')}`.trim();
}
