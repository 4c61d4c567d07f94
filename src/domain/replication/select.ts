/** Which tags of a repository a rule is about. */
import { parse, type Range, satisfies } from 'semver';
import type { Matcher } from './pattern.ts';

export interface TagSelection {
  /** One must match; empty means all. */
  readonly include: readonly Matcher[];
  readonly exclude: readonly Matcher[];
  readonly semver?: Range;
  readonly newest?: number;
  /** Milliseconds. */
  readonly pushedWithin?: number;
}

/** Whether the name alone lets a tag in. */
export function selectsName({ include, exclude, semver }: TagSelection, tag: string): boolean {
  if (include.length > 0 && !include.some((matches) => matches(tag))) return false;
  if (exclude.some((matches) => matches(tag))) return false;
  return semver === undefined || isVersionIn(tag, semver);
}

/** Whether more than the name decides: all tags and when they were pushed must be known then. */
export function needsTimes({ newest, pushedWithin }: TagSelection): boolean {
  return newest !== undefined || pushedWithin !== undefined;
}

/**
 * The tags that are kept in step, in the order they came. All that is set must hold; `newest` counts among those that match
 * the rest, the later name first where two were pushed at the same moment.
 */
export function selectTags<T extends { readonly tag: string; readonly pushedAt?: number }>(
  tags: readonly T[],
  selection: TagSelection,
  now: number,
): T[] {
  const { newest, pushedWithin } = selection;
  const named = tags.filter(({ tag }) => selectsName(selection, tag));
  const young = pushedWithin === undefined ? named : named.filter(({ pushedAt = 0 }) => pushedAt >= now - pushedWithin);
  if (newest === undefined || young.length <= newest) return young;
  const last = [...young].sort((a, b) => (b.pushedAt ?? 0) - (a.pushedAt ?? 0) || (a.tag < b.tag ? 1 : -1));
  const kept = new Set(last.slice(0, newest));
  return young.filter((tag) => kept.has(tag));
}

/** Tags cannot hold the `+` of build metadata; charts write `_` in its place. A leading `v` is passed over. */
function isVersionIn(tag: string, range: Range): boolean {
  const version = parse(tag.replace('_', '+'));
  return version !== null && satisfies(version, range);
}
