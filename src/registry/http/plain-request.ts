/**
 * The requests that most clients send most of the time: `GET` or `HEAD` with no body and no header that asks for anything
 * special. Pure. What is not certain to be one is none, and Node's parser decides what it is.
 */

/** Octets; a longer head is left to Node's parser. */
export const longestHead = 4096;

export interface RequestLine {
  readonly method: 'GET' | 'HEAD';
  /** Origin form (RFC 9112 §3.2.1) without a query. */
  readonly path: string;
}

export type PlainHeaders = Readonly<Record<string, string>> & { readonly host: string };

const version = ' HTTP/1.1';

/** Reads a request line (RFC 9112 §3), without its CRLF. The path is checked by whoever routes it. */
export function plainRequestLine(line: string): RequestLine | undefined {
  if (!line.endsWith(version)) return undefined;
  const method = line.startsWith('GET /') ? 'GET' : line.startsWith('HEAD /') ? 'HEAD' : undefined;
  if (method === undefined) return undefined;
  const path = line.slice(method.length + 1, -version.length);
  return /[\s?#]/.test(path) ? undefined : { method, path };
}

/**
 * RFC 9110 §5.1 and §5.5: a token, a colon at once, and no control character but the tab. The space around a value is part of
 * the match: two ways to match it would make a line of spaces cost the square of its length.
 */
const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/;

/** Fields that change what the request is, how long it is, or what becomes of the connection. */
const special: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'http2-settings',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'proxy-connection',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Reads the fields of a head.
 * @param block everything after the request line, with the CRLF of each field and the empty line at the end
 * @returns names in lower case; undefined where a field is special, comes twice or is not well-formed, or `Host` is missing
 */
export function plainHeaders(block: string): PlainHeaders | undefined {
  if (!block.endsWith('\r\n\r\n')) return undefined;
  const headers: Record<string, string> = Object.create(null);
  for (const line of block.slice(0, -4).split('\r\n')) {
    const match = field.exec(line);
    if (match === null) return undefined;
    const [, name = '', value = ''] = match;
    const lower = name.toLowerCase();
    if (lower in headers || (special.has(lower) && !keepsAlive(lower, value))) return undefined;
    headers[lower] = withoutSpace(value);
  }
  return headers.host === undefined ? undefined : (headers as PlainHeaders);
}

/** Spaces and tabs alone (RFC 9110 §5.6.3): `trim` knows more of them, such as octet A0. */
function withoutSpace(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** `Connection: keep-alive` says what HTTP/1.1 does anyway. */
function keepsAlive(name: string, value: string): boolean {
  return name === 'connection' && value.trim().toLowerCase() === 'keep-alive';
}
