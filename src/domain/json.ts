/**
 * JSON as strangers send it. `JSON.parse` hides duplicate keys and lets numbers lose digits; here both are errors, and so
 * are nesting past a bound, a byte order mark and bytes that are not UTF-8. Source: RFC 8259 §4, §6, §8.
 */

/** What was wrong with a JSON text, and where (path such as `layers[2].size`, or a character offset). */
export class InvalidJson extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvalidJson';
  }
}

/** A megabyte of `{},{},…` becomes twenty of objects; no manifest with as many layers as there is room for comes near this. */
const mostValues = 300_000;

export interface JsonBounds {
  /** Deepest nesting of objects and arrays; 32 unless told. */
  readonly depth?: number;
  /**
   * Strings of more characters come out as so many and one more `x`: for who would not use them, and shall not hold megabytes
   * of them beside the text.
   */
  readonly longest?: number;
  /** Most values (commas, to be exact) in the text; 300,000 unless told. */
  readonly values?: number;
}

/**
 * Parses UTF-8 bytes or a text.
 * @throws InvalidJson for anything that is not exactly one JSON value within the bounds
 */
export function parseStrictJson(input: Uint8Array | string, bounds: JsonBounds = {}): unknown {
  const text = typeof input === 'string' ? input : decode(input);
  const long = checkStructure(text, {
    depth: 32,
    longest: Number.POSITIVE_INFINITY,
    values: mostValues,
    ...bounds,
  });
  const value = parse(long.length === 0 ? text : shortened(text, long, bounds.longest ?? 0));
  refuseInexactNumbers(value, '');
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidJson(`not valid JSON: ${(error as Error).message}`);
  }
}

/** Whether a parsed value is a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InvalidJson('not valid UTF-8');
  }
}

/** Not a reviver: given one, the engine keeps the source of every value beside it. The depth is bounded already. */
function refuseInexactNumbers(value: unknown, key: string): void {
  if (typeof value === 'number') refuseInexact(value, key);
  else if (Array.isArray(value)) for (const item of value) refuseInexactNumbers(item, key);
  else if (isJsonObject(value)) for (const name of Object.keys(value)) refuseInexactNumbers(value[name], name);
}

function refuseInexact(value: number, key: string): void {
  if (!Number.isFinite(value)) throw new InvalidJson(`the number at ${JSON.stringify(key)} is too large`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new InvalidJson(`the number at ${JSON.stringify(key)} is past 2^53 and would lose digits`);
  }
}

/** One pass over the structure: strings are skipped by the engine's own search, so long values cost next to nothing. */
function checkStructure(text: string, { depth, longest, values: most }: Required<JsonBounds>): Span[] {
  const long: Span[] = [];
  const open: (Set<string> | undefined)[] = [];
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const string = { start: at, end: skipString(text, at, open.at(-1)) };
      if (string.end - string.start > longest + 1) long.push(string);
      at = string.end;
    } else if (character === '{' || character === '[') enter(open, character, depth);
    else if (character === '}' || character === ']') open.pop();
    else if (character === ',' && ++values > most) throw new InvalidJson(`more than ${most} values`);
  }
  return long;
}

/** Offsets of a string's quotes. */
interface Span {
  readonly start: number;
  readonly end: number;
}

function shortened(text: string, long: readonly Span[], longest: number): string {
  const filler = 'x'.repeat(longest + 1);
  let kept = '';
  let from = 0;
  for (const { start, end } of long) {
    requireWellFormed(text.slice(start + 1, end), start);
    kept += text.slice(from, start + 1) + filler;
    from = end;
  }
  return kept + text.slice(from);
}

/** What the engine would refuse in a string (RFC 8259 §7). */
function requireWellFormed(content: string, start: number): void {
  for (const [found] of content.matchAll(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|[\x00-\x1f\\]/g)) {
    if (found.length === 1) throw new InvalidJson(`not valid JSON: the string at offset ${start} has a bad character`);
  }
}

function enter(open: (Set<string> | undefined)[], bracket: '{' | '[', maxDepth: number): void {
  if (open.length === maxDepth) throw new InvalidJson(`nested deeper than ${maxDepth} levels`);
  open.push(bracket === '{' ? new Set() : undefined);
}

/** Answers the offset of the closing quote; inside an object a string before a colon is a key, and is noted. */
function skipString(text: string, start: number, keys: Set<string> | undefined): number {
  const end = endOfString(text, start);
  if (keys !== undefined && isKey(text, end + 1)) noteKey(keys, text.slice(start, end + 1));
  return end;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  if (end < 0) throw new InvalidJson(`not valid JSON: the string at offset ${start} does not end`);
  return end;
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
  return backslashes % 2 === 1;
}

function isKey(text: string, after: number): boolean {
  let at = after;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
  return text.charCodeAt(at) === 0x3a;
}

function noteKey(keys: Set<string>, quoted: string): void {
  let key: string;
  try {
    key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  } catch {
    throw new InvalidJson(`not valid JSON: the key ${quoted.slice(0, 64)} has an escape that does not exist`);
  }
  if (key === '__proto__') throw new InvalidJson('the key "__proto__" is not allowed');
  if (keys.has(key)) throw new InvalidJson(`the key ${JSON.stringify(key.slice(0, 64))} stands twice in one object`);
  keys.add(key);
}
