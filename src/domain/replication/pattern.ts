/** A test for one pattern, made once and used on every name. */
export type Matcher = (text: string) => boolean;

/**
 * `*` stands for any characters, `?` for one, all else for itself; the whole text must match. Linear in the text's length for each
 * part between stars, whatever the pattern: there is no backtracking past the last star.
 */
export function matcherOf(pattern: string): Matcher {
  if (!/[*?]/.test(pattern)) return (text) => text === pattern;
  if (/^[^*?]*\*$/.test(pattern)) {
    const prefix = pattern.slice(0, -1);
    return (text) => text.startsWith(prefix);
  }
  return (text) => matches(pattern, text);
}

function matches(pattern: string, text: string): boolean {
  let at = 0;
  let position = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const wanted = pattern[position];
    if (wanted === '*') {
      star = position++;
      resume = at;
    } else if (wanted === text[at] || wanted === '?') {
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
