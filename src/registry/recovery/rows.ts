import type { Digest } from '../../domain/oci/digest.ts';
import type { RuleRow } from '../metadata/rules.ts';
import type { ChangeRow } from '../metadata/store.ts';

/** What the first row of a file says it is. */
export type FileKind = 'snapshot' | 'journal';

/** A blob as a manifest's repository sees it. */
export interface NamedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly key: string;
}

/** A change in a journal object. What was put comes along, as long as it is still there: a later change tells where it is not. */
export interface JournalChange extends ChangeRow {
  /** Changes of rules are rows of their own, so that a program that does not know them passes them over. */
  readonly row: 'change' | 'rule-change';
  readonly manifest?: {
    readonly mediaType: string;
    readonly bytes: Uint8Array;
    /** Config and layers that were visible in the repository then. */
    readonly blobs: readonly NamedBlob[];
    /** When it was pushed first, where that is not the time of the change: it came back out of the trash, or as another type. */
    readonly pushedAt?: number;
  };
  readonly ruleRow?: Omit<RuleRow, 'state'>;
}

export function isChange(row: object): row is JournalChange {
  return 'row' in row && (row.row === 'change' || row.row === 'rule-change');
}

/** Bytes of manifests are base64; everything else is JSON as it is. */
export function lineOf(row: object): string {
  return `${JSON.stringify(encoded(row))}\n`;
}

/** Bytes that are turned into base64 at once; a multiple of three, so that the pieces can be put together. */
const PIECE = 48 * 1024;

/** A line in pieces, so that a manifest of megabytes is never there as text as well. */
export function* piecesOf(row: object): Generator<string> {
  const bytes = bytesIn(row);
  if (bytes === undefined || bytes.byteLength <= PIECE) {
    yield lineOf(row);
    return;
  }
  // Last in the row, and empty: its closing quote and braces are the end of the text.
  const text = JSON.stringify(emptied(row));
  const end = 'manifest' in row ? '"}}' : '"}';
  yield text.slice(0, -end.length);
  for (let at = 0; at < bytes.byteLength; at += PIECE) yield base64(bytes.subarray(at, at + PIECE));
  yield `${end}\n`;
}

function bytesIn(row: object): Uint8Array | undefined {
  const holder = 'manifest' in row ? row.manifest : row;
  return (holder as { bytes?: Uint8Array } | undefined)?.bytes;
}

function emptied(row: object): object {
  if (!('manifest' in row)) return withoutBytes(row);
  const { manifest, ...change } = row;
  return { ...change, manifest: withoutBytes(manifest as object) };
}

function withoutBytes(holder: object): object {
  const { bytes: _, ...rest } = holder as { bytes?: unknown };
  return { ...rest, bytes: '' };
}

/** Throws SyntaxError. */
export function rowOf(line: string): Record<string, unknown> {
  const row = JSON.parse(line) as Record<string, unknown>;
  decode(row);
  if (typeof row.manifest === 'object' && row.manifest !== null) decode(row.manifest as Record<string, unknown>);
  return row;
}

function encoded(row: object): object {
  if ('bytes' in row) return { ...row, bytes: base64(row.bytes as Uint8Array) };
  return 'manifest' in row ? { ...row, manifest: encoded(row.manifest as object) } : row;
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

function decode(holder: Record<string, unknown>): void {
  if (typeof holder.bytes === 'string') holder.bytes = Buffer.from(holder.bytes, 'base64');
}
