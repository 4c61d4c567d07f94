import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../domain/errors.ts';
import { flowing } from './flowing.ts';
import { parseChunkRange } from './range.ts';

/** The body of a chunk. Where it says its range but not its length, it is held to the range. */
export function chunkBody(request: IncomingMessage): AsyncIterable<Buffer> {
  const { 'content-range': header, 'content-length': announced } = request.headers;
  const range = header === undefined || announced !== undefined ? undefined : parseChunkRange(header);
  return range === undefined ? flowing(request) : exactly(flowing(request), range.end - range.start + 1);
}

/**
 * Passes a body on that has to be `length` bytes long.
 * @throws Refusal SIZE_INVALID where it is longer (nothing past its end is passed on) or ends before
 */
export async function* exactly(body: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let left = length;
  for await (const part of body) {
    left -= part.length;
    if (left < 0) throw disagree(`more than the ${length} bytes`);
    yield part;
  }
  if (left > 0) throw disagree(`${left} bytes less than the ${length}`);
}

function disagree(what: string): Refusal {
  return new Refusal(
    'SIZE_INVALID',
    `the chunk has ${what} that its Content-Range says; GET the upload to see what it holds`,
  );
}
