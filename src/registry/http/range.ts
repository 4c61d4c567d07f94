/** Byte ranges: RFC 9110 §14 for reading, distribution-spec v1.1 §"Pushing a blob in chunks" for writing. Pure. */

/** Inclusive at both ends. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const readForm = /^bytes=(\d*)-(\d*)$/;
const chunkForm = /^(\d{1,16})-(\d{1,16})$/;

/**
 * What a `Range` header asks of `size` bytes. Forms that are not understood, and several ranges at once, count as no
 * header at all, as RFC 9110 §14.2 allows; a range that begins past the end, or ends before it begins, cannot be served.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = header === undefined ? null : readForm.exec(header.trim());
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') return suffix(Number(last), size);
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}

function suffix(length: number, size: number): ByteRange | 'unsatisfiable' {
  if (length === 0 || size === 0) return 'unsatisfiable';
  return { start: Math.max(0, size - length), end: size - 1 };
}

/**
 * The `Content-Range` of a chunk: `first-last` as the specification writes it; `bytes first-last/total`, as HTTP does, is
 * understood as well.
 */
export function parseChunkRange(header: string): ByteRange | undefined {
  const match = chunkForm.exec(header.replace(/^bytes[ =]/, '').replace(/\/(\d+|\*)$/, ''));
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]);
  return start > end || !Number.isSafeInteger(end) ? undefined : { start, end };
}
