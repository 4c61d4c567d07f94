/** One challenge of a `WWW-Authenticate` header (RFC 9110 §11.6.1). Scheme and parameter names are lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const tokenPattern = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const token68Pattern = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const blankPattern = /[ \t]*/y;
const separatorPattern = /[ \t,]*/y;
/** Longer headers than this are noise or an attack. */
const maxLength = 16_384;

/**
 * Parses a `WWW-Authenticate` header, several challenges in one line included. What is malformed ends the parse; the
 * challenges before it are kept. Linear in the length of the header.
 */
export function parseChallenges(header: string): Challenge[] {
  if (header.length > maxLength) return [];
  const cursor = new Cursor(header);
  const challenges: Challenge[] = [];
  for (;;) {
    cursor.take(separatorPattern);
    const scheme = cursor.take(tokenPattern);
    if (scheme === '') return challenges;
    if (!cursor.atBlankOrEnd()) return challenges;
    cursor.take(blankPattern);
    // `Negotiate YII…==`: no scheme of ours has one.
    cursor.take(token68Pattern);
    challenges.push({ scheme: scheme.toLowerCase(), parameters: parameters(cursor) });
  }
}

function parameters(cursor: Cursor): Record<string, string> {
  const found: Record<string, string> = Object.create(null) as Record<string, string>;
  for (;;) {
    const start = cursor.at;
    cursor.take(separatorPattern);
    const name = cursor.take(tokenPattern).toLowerCase();
    cursor.take(blankPattern);
    if (name === '' || !cursor.skip('=')) {
      // Not `name=`: the next challenge's scheme.
      cursor.at = start;
      return found;
    }
    cursor.take(blankPattern);
    const value = cursor.quoted() ?? cursor.take(tokenPattern);
    if (!(name in found)) found[name] = value;
  }
}

class Cursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text)?.[0] ?? '';
    this.at += match.length;
    return match;
  }

  skip(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  atBlankOrEnd(): boolean {
    const next = this.text[this.at];
    return next === undefined || next === ' ' || next === '\t' || next === ',';
  }

  quoted(): string | undefined {
    if (!this.skip('"')) return undefined;
    let value = '';
    while (this.at < this.text.length) {
      const character = this.text[this.at++] as string;
      if (character === '"') return value;
      value += character === '\\' ? (this.text[this.at++] ?? '') : character;
    }
    return value;
  }
}
