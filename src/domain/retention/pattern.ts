/** A test for one pattern, made once and used on every tag: the bytes of the tag's text are those from `start` to `end`. */
export type Matcher = (bytes: Uint8Array, start: number, end: number) => boolean;

const star = 0x2a;
const questionMark = 0x3f;

/**
 * `*` stands for any characters, `?` (where `single` is set) for one; all else for itself; the whole tag must match. Linear in
 * the tag's length for each part between stars, whatever the pattern: there is no backtracking past the last star.
 */
export function matcherOf(pattern: string, { single = false } = {}): Matcher {
  const wanted = new TextEncoder().encode(pattern);
  const first = wanted.indexOf(star);
  const plain = !single || !pattern.includes('?');
  if (first < 0 && plain)
    return (bytes, start, end) => end - start === wanted.length && startsWith(bytes, start, wanted);
  if (first === wanted.lastIndexOf(star) && plain) {
    const [prefix, suffix] = [wanted.subarray(0, first), wanted.subarray(first + 1)];
    return (bytes, start, end) =>
      end - start >= wanted.length - 1 &&
      startsWith(bytes, start, prefix) &&
      startsWith(bytes, end - suffix.length, suffix);
  }
  return (bytes, start, end) => matches(wanted, bytes, { start, end, single });
}

function startsWith(bytes: Uint8Array, start: number, prefix: Uint8Array): boolean {
  for (let at = 0; at < prefix.length; at++) if (bytes[start + at] !== prefix[at]) return false;
  return true;
}

interface Within {
  readonly start: number;
  readonly end: number;
  readonly single: boolean;
}

function matches(pattern: Uint8Array, bytes: Uint8Array, { start, end, single }: Within): boolean {
  let at = start;
  let position = 0;
  let lastStar = -1;
  let resume = start;
  while (at < end) {
    const wanted = pattern[position];
    if (wanted === star) {
      lastStar = position++;
      resume = at;
    } else if (wanted === bytes[at] || (single && wanted === questionMark)) {
      position++;
      at++;
    } else if (lastStar >= 0) {
      position = lastStar + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[position] === star) position++;
  return position === pattern.length;
}
