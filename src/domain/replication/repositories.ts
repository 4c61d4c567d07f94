/** Which repositories a source's path names, and what they are called at a target. */
import { isRepositoryName } from '../oci/reference.ts';
import { hasPattern } from './endpoint.ts';
import { type Matcher, matcherOf } from './pattern.ts';

/**
 * A test for repositories: `*` any part of a segment, `?` one character of it, `**` any number of segments (at least one at
 * the end). Steps grow with the product of both numbers of segments at most, whatever the pattern.
 */
export function repositoryMatcher(pattern: string): Matcher {
  if (!hasPattern(pattern)) return (name) => name === pattern;
  const parts = pattern.split('/').map((part) => (part === '**' ? part : matcherOf(part)));
  return (name) => matches(parts, name.split('/'));
}

type Part = Matcher | '**';

/** `reached[n]`: the parts so far match the first n segments. */
function matches(parts: readonly Part[], segments: readonly string[]): boolean {
  let reached = segments.map(() => false);
  reached.unshift(true);
  for (const [position, part] of parts.entries()) {
    const last = position === parts.length - 1;
    const next = reached.map(() => false);
    for (let at = 0; at <= segments.length; at++) {
      if (part === '**') next[at] = (at > 0 && (next[at - 1] || reached[at - 1])) || (!last && reached[at]) || false;
      else next[at] = at > 0 && reached[at - 1] === true && part(segments[at - 1] ?? '');
    }
    reached = next;
  }
  return reached[segments.length] === true;
}

/**
 * The name of `repository` at a target: its path, and after it what stands from the first segment with a pattern on. A target
 * without a path takes a source without a pattern under the source's own name. Undefined where that is no name of a repository.
 */
export function nameAtTarget(pattern: string, repository: string, path: string): string | undefined {
  const first = pattern.split('/').findIndex(hasPattern);
  const matched = first < 0 ? '' : repository.split('/').slice(first).join('/');
  const name = first < 0 ? path || repository : [path, matched].filter((part) => part !== '').join('/');
  return isRepositoryName(name) ? name : undefined;
}
