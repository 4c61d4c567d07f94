import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { Line } from './line.ts';

/** The body of a large answer: read once, from its start. */
export interface LargeBody extends AsyncIterable<Buffer> {
  /** Lets go of what was not read. */
  destroy(): void;
}

export interface LargeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: LargeBody | Readable;
}

interface Head {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What came behind the head. */
  readonly rest: Buffer;
}

export interface AskOptions {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the bytes of the body are good until the next are asked for only. */
  readonly lent: boolean;
  /** Told once, when nothing more is read: `idle` after an answer that was read to its end, when the line can be asked again. */
  readonly onEnd: (state: 'idle' | 'gone') => void;
}

const maxHeadBytes = 65_536;
/** Refusals, redirects. */
const maxSmallBytes = 65_536;

/**
 * Asks for something large with GET. Undefined where the answer takes more understanding than this (chunks, long refusals):
 * then the line is gone, and the question can be put again in another way.
 * @throws what the connection failed with
 */
export async function askForLarge(line: Line, options: AskOptions): Promise<LargeAnswer | undefined> {
  await line.send(headOf(options));
  const head = await readHead(line);
  const length = head === undefined ? undefined : lengthOf(head);
  if (head === undefined || length === undefined) {
    line.destroy();
    return undefined;
  }
  const { status, headers } = head;
  const onEnd = () => {
    line.rest();
    const closes = /(^|,)\s*close\s*(,|$)/i.test(headers.connection ?? '');
    if (closes) line.destroy();
    options.onEnd(closes ? 'gone' : 'idle');
  };
  const onGone = () => options.onEnd('gone');
  const large = new Large(line, { first: head.rest, length, onEnd, onGone, lent: options.lent });
  if (status === 200 || status === 206) return { status, headers, body: large };
  if (length > maxSmallBytes) {
    line.destroy();
    return undefined;
  }
  const bytes: Buffer[] = [];
  for await (const part of large) bytes.push(Buffer.from(part));
  return { status, headers, body: Readable.from(bytes) };
}

function headOf({ path, headers }: AskOptions): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const lines = [`GET ${path} HTTP/1.1`, ...fields, 'connection: keep-alive'];
  if (lines.some((line) => /[\r\n]/.test(line))) throw new RangeError('a header with a line break');
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Undefined for what is no HTTP/1.1, or a head of unusual size. */
async function readHead(line: Line): Promise<Head | undefined> {
  let seen = Buffer.alloc(0);
  for (;;) {
    const part = await line.read();
    if (part === undefined) throw Object.assign(new Error('closed without an answer'), { code: 'ECONNRESET' });
    seen = Buffer.concat([seen, part]);
    const end = seen.indexOf('\r\n\r\n');
    if (end >= 0) return parseHead(seen.toString('latin1', 0, end), seen.subarray(end + 4));
    if (seen.length > maxHeadBytes) return undefined;
  }
}

function parseHead(text: string, rest: Buffer): Head | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1];
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`;
  }
  return status === undefined || status.startsWith('1') ? undefined : { status: Number(status), headers, rest };
}

/** The length of the body where it is told. RFC 9112 §6.3: with two answers to that, none is believed. */
function lengthOf({ status, headers }: Head): number | undefined {
  if (status === 204 || status === 304) return 0;
  if (headers['transfer-encoding'] !== undefined || headers['content-encoding'] !== undefined) return undefined;
  const length = headers['content-length'] ?? '';
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

interface LargeParts {
  readonly first: Buffer;
  readonly length: number;
  readonly lent: boolean;
  /** It was read to its end. */
  readonly onEnd: () => void;
  /** It was let go of before. */
  readonly onGone: () => void;
}

class Large implements LargeBody {
  readonly #line: Line;
  readonly #parts: LargeParts;
  #done = false;

  constructor(line: Line, parts: LargeParts) {
    this.#line = line;
    this.#parts = parts;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const { first, length, onEnd, lent } = this.#parts;
    let left = length;
    let part: Buffer | undefined = first;
    let excess = first.length > length;
    try {
      while (left > 0) {
        if (part.length > 0) {
          const taken: Buffer = part.subarray(0, left);
          excess = part.length > left;
          left -= taken.length;
          yield lent ? taken : Buffer.from(taken);
        }
        if (left > 0) part = await this.#line.read();
        if (part === undefined) throw Object.assign(new Error('ended too early'), { code: 'ECONNRESET' });
      }
      // More than was announced: who knows what that is.
      this.#done = !excess;
      if (!excess) onEnd();
    } finally {
      this.destroy();
    }
  }

  destroy(): void {
    if (this.#done) return;
    this.#done = true;
    this.#line.destroy();
    this.#parts.onGone();
  }
}
