import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** One entry of a tar archive; the owner is root, the time is the epoch, so that equal content gives equal bytes. */
export type TarEntry =
  | { readonly path: string; readonly kind: 'folder'; readonly mode?: number; readonly owner?: number }
  | { readonly path: string; readonly kind: 'text'; readonly text: string; readonly mode?: number }
  | { readonly path: string; readonly kind: 'file'; readonly source: string; readonly mode?: number }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

const BLOCK = 512;

/** The bytes of a POSIX ustar archive, piece by piece; paths are relative and at most 100 bytes long. */
export async function* tar(entries: readonly TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) yield* archived(entry);
  yield Buffer.alloc(2 * BLOCK);
}

async function* archived(entry: TarEntry): AsyncGenerator<Buffer> {
  if (entry.kind === 'folder') {
    yield header(`${entry.path}/`, { type: '5', mode: entry.mode ?? 0o755, owner: entry.owner ?? 0 });
  } else if (entry.kind === 'link') {
    yield header(entry.path, { type: '2', mode: 0o777, target: entry.target });
  } else if (entry.kind === 'text') {
    const content = Buffer.from(entry.text);
    yield header(entry.path, { type: '0', mode: entry.mode ?? 0o644, size: content.length });
    yield content;
    yield padding(content.length);
  } else {
    const { size } = await stat(entry.source);
    yield header(entry.path, { type: '0', mode: entry.mode ?? 0o644, size });
    for await (const chunk of createReadStream(entry.source, { highWaterMark: 1 << 20 })) yield chunk as Buffer;
    yield padding(size);
  }
}

interface Header {
  readonly type: '0' | '2' | '5';
  readonly mode: number;
  readonly size?: number;
  readonly owner?: number;
  readonly target?: string;
}

function header(path: string, { type, mode, size = 0, owner = 0, target = '' }: Header): Buffer {
  if (Buffer.byteLength(path) > 100 || Buffer.byteLength(target) > 100) throw new Error(`too long for tar: ${path}`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`;
  block.write(path, 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(owner, 8), 108);
  block.write(octal(owner, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  // The checksum counts its own eight bytes as spaces.
  block.write('        ', 148);
  block.write(type, 156);
  block.write(target, 157);
  block.write('ustar\0', 257);
  block.write('00', 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
