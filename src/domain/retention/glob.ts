/**
 * Patterns for the names of repositories: `*` stands for any part of a segment, `**` for anything, `?` for one character of a
 * segment. `**` and a slash after it, at the beginning of a segment, also stand for nothing: `**` + `/app` matches `app`.
 */
export interface Glob {
  readonly text: string;
  /** What comes before the first wildcard: the whole of a literal name. */
  readonly prefix: string;
  /** How many wildcards there are; none in a literal name. */
  readonly wildcards: number;
  matches(name: string): boolean;
}

type Kind = 'literal' | 'one' | 'part' | 'anything' | 'segments';

interface Token {
  readonly kind: Kind;
  readonly text: string;
}

/** Reads a pattern; every text is one. */
export function globOf(text: string): Glob {
  const tokens = tokensOf(text);
  const first = tokens.findIndex(({ kind }) => kind !== 'literal');
  const prefix = first < 0 ? text : text.slice(0, first);
  const wildcards = tokens.filter(({ kind }) => kind !== 'literal').length;
  const matches =
    first < 0 ? (name: string) => name === text : (name: string) => name.startsWith(prefix) && matchesAll(tokens, name);
  return { text, prefix, wildcards, matches };
}

const tokenPattern = /(?<segments>(?<=^|\/)\*{2,}\/)|(?<anything>\*{2,})|(?<part>\*)|(?<one>\?)|./gs;

function tokensOf(pattern: string): Token[] {
  return Array.from(pattern.matchAll(tokenPattern), ([text, ...groups]) => {
    const kinds = ['segments', 'anything', 'part', 'one'] as const;
    return { kind: kinds.find((_, index) => groups[index] !== undefined) ?? 'literal', text };
  });
}

/**
 * Whether the rest of a pattern matches the rest of a name, for each rest of both, from their ends: of the order of their
 * lengths multiplied, whatever they are.
 */
function matchesAll(tokens: readonly Token[], name: string): boolean {
  let after = new Uint8Array(name.length + 1);
  after[name.length] = 1;
  for (const token of tokens.toReversed()) after = matchingFrom(token, after, name);
  return after[0] === 1;
}

interface Step {
  readonly character: string | undefined;
  /** 1 where the tokens after this one match from here, */
  readonly now: number;
  /** from the next character, */
  readonly next: number;
  /** and where this one and those after it match from the next character. */
  readonly again: number;
}

const steps: Record<Exclude<Kind, 'segments'>, (step: Step, text: string) => number> = {
  literal: ({ character, next }, text) => (character === text ? next : 0),
  one: ({ character, next }) => (character === '/' ? 0 : next),
  part: ({ character, now, again }) => now | (character === '/' ? 0 : again),
  anything: ({ now, again }) => now | again,
};

/** @param after for each place in the name, whether the tokens after this one match from there */
function matchingFrom({ kind, text }: Token, after: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  if (kind === 'segments') return segmentsFrom(after, name);
  const here = new Uint8Array(name.length + 2);
  const step = steps[kind];
  for (let at = name.length; at >= 0; at--)
    here[at] = step(
      { character: name[at], now: after[at] ?? 0, next: after[at + 1] ?? 0, again: here[at + 1] ?? 0 },
      text,
    );
  return here.subarray(0, name.length + 1);
}

/** Any number of whole segments, none too. */
function segmentsFrom(after: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  const here = new Uint8Array(name.length + 1);
  let fromNextSegment = 0;
  for (let at = name.length; at >= 0; at--) {
    if (name[at] === '/') fromNextSegment = here[at + 1] ?? 0;
    here[at] = (after[at] ?? 0) | fromNextSegment;
  }
  return here;
}
