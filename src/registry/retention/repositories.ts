import { setImmediate as turn } from 'node:timers/promises';
import { globOf } from '../../domain/retention/glob.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { RetentionSpec } from './spec.ts';

/** Names between two turns of the event loop: each is compared with the patterns of all policies. */
const PAGE = 200;

/** Where names that a pattern may match begin: all that is before its first wildcard. */
interface Range {
  readonly prefix: string;
  /** There is no wildcard: this name alone. */
  readonly exact: boolean;
}

type Names = Pick<MetadataStore, 'repositories' | 'repositoryExists'>;

/**
 * Repositories that a policy may speak of, in the order of their names, a page at a time. Few are looked at where its patterns begin
 * with a name.
 */
export async function* repositoriesIn(
  metadata: Names,
  { include }: Pick<RetentionSpec['repositories'], 'include'>,
): AsyncGenerator<string> {
  for (const { prefix, exact } of rangesOf(include)) {
    if (prefix !== '' && (await metadata.repositoryExists(prefix))) yield prefix;
    if (!exact) yield* longerThan(metadata, prefix);
  }
}

/** Names that begin with a prefix, and are longer. */
async function* longerThan(metadata: Names, prefix: string): AsyncGenerator<string> {
  for (let last = prefix; ; ) {
    const page = await metadata.repositories({ ...(last !== '' && { last }), limit: PAGE });
    const names = page.filter((name) => name.startsWith(prefix));
    yield* names;
    last = page.at(-1) ?? '';
    if (page.length < PAGE || names.length < page.length) return;
    await turn();
  }
}

/** Sorted, none inside another: no name comes twice, and all come in their order. */
function rangesOf(include: readonly string[]): Range[] {
  const all = include.map((pattern) => {
    const { prefix, wildcards } = globOf(pattern);
    return { prefix, exact: wildcards === 0 };
  });
  // A wide range before a name that it holds.
  all.sort((a, b) => (a.prefix === b.prefix ? Number(a.exact) - Number(b.exact) : a.prefix < b.prefix ? -1 : 1));
  const ranges: Range[] = [];
  for (const range of all) {
    const covered = ranges.some(({ prefix, exact }) =>
      exact ? range.exact && prefix === range.prefix : range.prefix.startsWith(prefix),
    );
    if (!covered) ranges.push(range);
  }
  return ranges;
}
