/**
 * One 512-byte header of a tar archive: POSIX ustar, with GNU's base-256 numbers. Our own rather than tar-stream, which
 * reads a 2 GiB archive from end to end to find the file it wants: with headers and offsets we seek.
 */
export const tarBlock = 512;

export type TarEntryKind = 'file' | 'hardlink' | 'symlink' | 'directory' | 'pax' | 'gnu-name' | 'gnu-link' | 'other';

export interface TarHeader {
  readonly path: string;
  readonly kind: TarEntryKind;
  /** Bytes of content that follow the header. */
  readonly size: number;
  readonly link: string;
}

const kinds: Readonly<Record<string, TarEntryKind>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
  x: 'pax',
  L: 'gnu-name',
  K: 'gnu-link',
};

/** Reads a header; undefined for a block of zeros, which ends the archive. @throws RangeError when it is none */
export function readTarHeader(block: Buffer): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (numberIn(block, 148, 8) !== checksum(block)) throw new RangeError('a tar header has a wrong checksum');
  const prefix = block.toString('latin1', 257, 262) === 'ustar' && block[263] === 0x30 ? textIn(block, 345, 155) : '';
  const name = textIn(block, 0, 100);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    kind: kinds[String.fromCharCode(block[156] ?? 0)] ?? 'other',
    size: numberIn(block, 124, 12),
    link: textIn(block, 157, 100),
  };
}

/** The header of a plain file of `size` bytes; `path` has at most 100 characters. Times are zero, so that equal content gives equal bytes. */
export function writeTarHeader(path: string, size: number): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`too long for a tar header: ${path}`);
  const block = Buffer.alloc(tarBlock);
  block.write(path, 0, 100, 'utf8');
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  writeSize(block, size);
  block.write('00000000000\0', 136);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** The bytes that content of `size` takes, filled up to whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / tarBlock) * tarBlock;
}

/** `path` and `linkpath` and `size` of a pax extended header (POSIX.1-2001), whose records are `LENGTH KEY=VALUE\n`. */
export function readPaxRecords(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString('latin1', at, space));
    if (space < 0 || !Number.isInteger(length) || length < 5 || at + length > content.length) {
      throw new RangeError('a pax header of the tar archive is damaged');
    }
    const record = content.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

function textIn(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('utf8', at, end < 0 || end > at + length ? at + length : end);
}

function numberIn(block: Buffer, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) {
    let value = (block[at] ?? 0) & 0x7f;
    for (let index = at + 1; index < at + length; index++) value = value * 256 + (block[index] ?? 0);
    if (!Number.isSafeInteger(value)) throw new RangeError('a tar header has an impossible size');
    return value;
  }
  const text = textIn(block, at, length).trim();
  if (!/^[0-7]*$/.test(text)) throw new RangeError('a tar header has a damaged number');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function writeSize(block: Buffer, size: number): void {
  if (size < 8 ** 11) {
    block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
    return;
  }
  block[124] = 0x80;
  block.writeBigUInt64BE(BigInt(size), 128);
}

function checksum(block: Buffer): number {
  let sum = 0;
  for (let index = 0; index < tarBlock; index++) sum += index >= 148 && index < 156 ? 0x20 : (block[index] ?? 0);
  return sum;
}
