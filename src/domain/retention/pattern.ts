/** A test for one pattern, made once and used on every tag. */
export type Matcher = (tag: string) => boolean;

/**
 * `*` stands for any characters, `?` (where `single` is set) for one; all else for itself; the whole tag must match. Linear in
 * the tag's length for each part between stars, whatever the pattern: there is no backtracking past the last star.
 */
export function matcherOf(pattern: string, { single = false } = {}): Matcher {
  const star = pattern.indexOf('*');
  const plain = !single || !pattern.includes('?');
  if (star < 0 && plain) return (tag) => tag === pattern;
  if (star === pattern.length - 1 && plain) {
    const prefix = pattern.slice(0, -1);
    return (tag) => tag.startsWith(prefix);
  }
  return (tag) => matches(pattern, tag, single);
}

function matches(pattern: string, tag: string, single: boolean): boolean {
  let at = 0;
  let position = 0;
  let star = -1;
  let resume = 0;
  while (at < tag.length) {
    const wanted = pattern[position];
    if (wanted === '*') {
      star = position++;
      resume = at;
    } else if (wanted === tag[at] || (single && wanted === '?')) {
      position++;
      at++;
    } else if (star >= 0) {
      position = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[position] === '*') position++;
  return position === pattern.length;
}
