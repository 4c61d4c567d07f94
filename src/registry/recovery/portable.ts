/**
 * The portable file: rows as lines of JSON in one zstd stream. The first row says what it is, the last how many rows came
 * before and their SHA-256, so that a file that was cut or changed is never taken for a whole one.
 */
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { messageOf } from '../../platform/fatal.ts';
import { type FileKind, lineOf, piecesOf, rowOf } from './rows.ts';

/** Grows when a reader of before would misunderstand what is written now. */
const FORMAT = 1;

/** Characters of lines that are handed on at once. */
const CHUNK = 64 * 1024;
/** Power of two of the bytes that the compressor looks back, and holds: 512 KiB instead of two megabytes. */
const WINDOW = 19;
/** A row is a manifest at most: four thirds of the largest that a registry is set to take. */
const LONGEST_LINE = 256 * 1024 * 1024;

export interface Head {
  readonly kind: FileKind;
  /** Changes up to this one are in it. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly takenAt: number;
  /** Who the registry is among those that copy from each other; what was written before it knew has none. */
  readonly identity?: string | undefined;
  /** Of a journal object: changes after this one are in it. */
  readonly after?: number;
}

/** A file that is cut, damaged, of another program or of a later version. The message says which, and names the file. */
export class DamagedFile extends Error {
  constructor(name: string, problem: string) {
    super(`${name} ${problem}`);
    this.name = 'DamagedFile';
  }
}

/** The bytes of a file with these rows. Takes rows only as fast as its reader takes bytes. */
export function writePortable(head: Head, rows: AsyncIterable<object> | Iterable<object>): Readable {
  const compress = createZstdCompress({
    params: { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_windowLog]: WINDOW },
  });
  // Errors of the rows reach whoever reads, because the pipeline destroys its last stream with them.
  pipeline(Readable.from(lines(head, rows), { objectMode: false }), compress, () => undefined);
  return compress;
}

async function* lines(head: Head, rows: AsyncIterable<object> | Iterable<object>): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const counts: Record<string, number> = {};
  let pending = lineOf({ row: 'head', format: FORMAT, ...head });
  let count = 1;
  for await (const row of rows) {
    const kind = (row as { row: string }).row;
    counts[kind] = (counts[kind] ?? 0) + 1;
    count += 1;
    for (const piece of piecesOf(row)) {
      pending += piece;
      if (pending.length < CHUNK) continue;
      const chunk = Buffer.from(pending);
      pending = '';
      hash.update(chunk);
      yield chunk;
    }
  }
  hash.update(pending);
  yield Buffer.from(pending + lineOf({ row: 'end', rows: count, counts, sha256: hash.digest('hex') }));
}

/**
 * Reads a file. The first value is its head, the others its rows; only when it has ended without an error was it whole.
 * @param name names the file in errors
 * @throws DamagedFile
 */
export async function* readPortable(
  name: string,
  bytes: Readable,
): AsyncGenerator<Record<string, unknown>, void, undefined> {
  const decompress = createZstdDecompress();
  pipeline(bytes, decompress, () => undefined);
  const hash = createHash('sha256');
  let count = 0;
  let ended = false;
  for await (const line of linesOf(name, decompress)) {
    if (ended) throw new DamagedFile(name, 'goes on after its last row: it is damaged');
    const row = parsed(name, line);
    if (row.row === 'end') {
      requireEnd(name, row, { rows: count, sha256: hash.digest('hex') });
      ended = true;
      continue;
    }
    if (count === 0) requireHead(name, row);
    hash.update(line).update('\n');
    count += 1;
    yield row;
  }
  if (!ended) throw new DamagedFile(name, 'is cut off: its last row is missing');
}

/** Reads a file to its end and keeps nothing of it but the head. Throws DamagedFile where it is not whole. */
export async function verifyPortable(name: string, bytes: Readable): Promise<Head> {
  let head: Head | undefined;
  for await (const row of readPortable(name, bytes)) head ??= row as unknown as Head;
  if (head === undefined) throw new DamagedFile(name, 'is empty');
  return head;
}

async function* linesOf(name: string, stream: Readable): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        parts.push(chunk.subarray(start, end));
        yield parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
        parts = [];
        length = 0;
        start = end + 1;
      }
      parts.push(chunk.subarray(start));
      length += chunk.length - start;
      if (length > LONGEST_LINE) throw new DamagedFile(name, 'has a row larger than any that is written');
    }
  } catch (error) {
    throw isOfFormat(error) ? new DamagedFile(name, `is damaged: ${messageOf(error)}`) : error;
  }
  if (length > 0) throw new DamagedFile(name, 'is cut off in the middle of a row');
}

/** What the decompressor says; errors of the disk or the network are something else. */
function isOfFormat(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && (code.startsWith('ZSTD_') || code.startsWith('Z_'));
}

function parsed(name: string, line: Buffer): Record<string, unknown> {
  try {
    return rowOf(line.toString('utf8'));
  } catch {
    throw new DamagedFile(name, 'has a row that is no JSON: it is damaged');
  }
}

function requireHead(name: string, { row, format }: Record<string, unknown>): void {
  if (row !== 'head') throw new DamagedFile(name, 'does not begin as a file of ne-registry does');
  if (format !== FORMAT)
    throw new DamagedFile(
      name,
      `is of format ${String(format)}, and this program knows ${FORMAT}: read it with the ne-registry that wrote it`,
    );
}

function requireEnd(name: string, end: Record<string, unknown>, found: { rows: number; sha256: string }): void {
  if (end.rows !== found.rows) throw new DamagedFile(name, `holds ${found.rows} rows and says that it had ${end.rows}`);
  if (end.sha256 !== found.sha256) throw new DamagedFile(name, 'does not have the SHA-256 that its last row tells');
}
