import { type Glob, globOf } from './glob.ts';

/** Which repositories a policy speaks of: names, or patterns as in `globOf`. */
export interface Selector {
  /** The policy's. */
  readonly name: string;
  readonly include: readonly string[];
  /** Left out, whatever `include` says. */
  readonly exclude?: readonly string[];
}

export type Selection =
  | { readonly policy: string; readonly pattern: string }
  /** Policies that are as specific as each other, in the order of their names: none of them acts. */
  | { readonly conflict: readonly string[]; readonly pattern: string };

interface Included {
  readonly policy: string;
  readonly glob: Glob;
  readonly excluded: readonly Glob[];
}

/**
 * Which of several policies governs a repository: the one with the most specific pattern. Give it also those that are suspended
 * or invalid: what they were made for must not fall to a broader policy meanwhile.
 * @returns for a repository's name: the policy, or those in conflict; undefined where none speaks of it
 */
export function selectionOf(selectors: readonly Selector[]): (repository: string) => Selection | undefined {
  const literals = new Map<string, Included[]>();
  const patterns: Included[] = [];
  for (const { name, include, exclude = [] } of selectors) {
    const excluded = exclude.map(globOf);
    for (const glob of new Set(include).values().map(globOf)) {
      const included = { policy: name, glob, excluded };
      if (glob.wildcards > 0) patterns.push(included);
      else literals.set(glob.text, [...(literals.get(glob.text) ?? []), included]);
    }
  }
  patterns.sort((a, b) => specificity(a.glob, b.glob));
  return (repository) => {
    const speaks = ({ glob, excluded }: Included) =>
      glob.matches(repository) && !excluded.some((other) => other.matches(repository));
    const named = (literals.get(repository) ?? []).filter(speaks);
    return decide(named.length > 0 ? named : mostSpecific(patterns, speaks));
  };
}

/** Less than zero where `a` is more specific: the longer literal prefix, then fewer wildcards. */
function specificity(a: Glob, b: Glob): number {
  return b.prefix.length - a.prefix.length || a.wildcards - b.wildcards;
}

/** @param patterns most specific first */
function mostSpecific(patterns: readonly Included[], speaks: (included: Included) => boolean): Included[] {
  const first = patterns.findIndex(speaks);
  const best = patterns[first];
  if (best === undefined) return [];
  const found: Included[] = [];
  for (let at = first; at < patterns.length; at++) {
    const other = patterns[at];
    if (other === undefined || specificity(best.glob, other.glob) !== 0) break;
    if (speaks(other)) found.push(other);
  }
  return found;
}

function decide(best: readonly Included[]): Selection | undefined {
  const [policy, ...others] = [...new Set(best.map((included) => included.policy))].sort();
  const [pattern] = best.map(({ glob }) => glob.text).sort();
  if (policy === undefined || pattern === undefined) return undefined;
  return others.length > 0 ? { conflict: [policy, ...others], pattern } : { policy, pattern };
}
