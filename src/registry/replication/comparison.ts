import type { Decision } from '../../domain/replication/decide.ts';
import { provesAbsence } from '../../domain/replication/deletions.ts';
import { hasPattern } from '../../domain/replication/endpoint.ts';
import { repositoryMatcher } from '../../domain/replication/repositories.ts';
import { needsTimes, selectsName, selectTags } from '../../domain/replication/select.ts';
import { isTransferError, TransferError, type TransferFault } from '../../transfer/errors.ts';
import type { CopyRow } from '../metadata/replicating.ts';
import type { RuleContext } from './context.ts';
import type { Place } from './places.ts';
import { decideTag, policyOf } from './question.ts';
import { looksAt, type Seen } from './seen.ts';
import type { ListedTag, Listing, Side } from './side.ts';
import { sided } from './sided.ts';
import { nameAt } from './target.ts';

/** What a comparison found of one tag at one target. */
export interface Finding {
  readonly repository: string;
  readonly tag: string;
  readonly place: Place;
  /** The repository there. */
  readonly to: string;
  readonly source: ListedTag | undefined;
  readonly target: ListedTag | undefined;
  readonly copy: CopyRow | undefined;
  readonly decision: Decision;
  /** Where something is to be copied. */
  readonly seen?: Seen;
}

/** One repository at one target, or why it could not be compared. */
export type RepositoryResult =
  | { readonly repository: string; readonly place: Place; readonly findings: readonly Finding[] }
  /** `place` is undefined where the source could not be listed. */
  | { readonly repository: string; readonly place: Place | undefined; readonly error: unknown };

export interface ComparisonOptions {
  readonly context: RuleContext;
  readonly places: readonly Place[];
  /** Ask for the digest of every tag, also where only its being there is told. */
  readonly deep: boolean;
  readonly signal: AbortSignal;
}

const page = 1000;
/** Sorts after every name. */
const beyond = '\u{10ffff}';

/** Compares the source with the targets, repository by repository; one that cannot be compared does not keep the others. */
export async function* compare(options: ComparisonOptions): AsyncGenerator<RepositoryResult> {
  const { context, signal } = options;
  const seen = new Set<string>();
  let places = options.places;
  for await (const repository of repositoriesOf(options)) {
    if (seen.has(repository)) continue;
    seen.add(repository);
    signal.throwIfAborted();
    const listing = await listSource(context, repository, signal).catch((error: unknown) => ({ error }));
    signal.throwIfAborted();
    if ('error' in listing) {
      yield { repository, place: undefined, error: listing.error };
      if (isOfHost(listing.error)) return;
      continue;
    }
    const results = await Promise.all(places.map((place) => compareAt(options, { repository, listing, place })));
    signal.throwIfAborted();
    // A registry that does not answer is not asked again for each repository.
    const down = new Set(
      results.filter((result) => 'error' in result && isOfHost(result.error)).map(({ place }) => place),
    );
    places = places.filter((place) => !down.has(place));
    yield* results;
    if (places.length === 0) return;
  }
}

/** Those of the source, and those from which something was copied once: what they lack may be tombstones. */
async function* repositoriesOf(options: ComparisonOptions): AsyncGenerator<string> {
  const { context, places, signal } = options;
  const { path } = context.loaded.rule.source;
  if (!hasPattern(path)) yield path;
  else {
    const matches = repositoryMatcher(path);
    for await (const repository of context.source.repositories(signal)) if (matches(repository)) yield repository;
  }
  for (const { text } of places) yield* copiedFrom(context, text);
}

async function* copiedFrom({ metadata, loaded }: RuleContext, target: string): AsyncGenerator<string> {
  for (let last: string | undefined; ; ) {
    const at = last === undefined ? {} : { last: { repository: last, tag: beyond } };
    const [row] = await metadata.copies(loaded.name, target, { limit: 1, ...at });
    if (row === undefined) return;
    last = row.repository;
    yield last;
  }
}

/** Registries that list names alone are asked for the digests of those that the rule is about. */
async function listSource({ source, loaded }: RuleContext, repository: string, signal: AbortSignal): Promise<Listing> {
  const listing = await sided('source', source.list(repository, signal));
  if (listing.absent === true && loaded.rule.source.path === repository) throw noSuchRepository(source, repository);
  const bare = [...listing.tags.values()].filter(
    ({ tag, digest }) => digest === undefined && selectsName(loaded.rule.tags, tag),
  );
  if (bare.length === 0) return listing;
  const looked = await sided(
    'source',
    source.look(
      repository,
      bare.map(({ tag }) => tag),
      signal,
    ),
  );
  return { ...listing, tags: new Map([...listing.tags, ...looked.tags]) };
}

/** Where a pattern matches nothing, nothing has to be there; a name is meant. */
function noSuchRepository({ name }: Side, repository: string): TransferError {
  const message = `${name}: there is no repository ${repository}, or these credentials may not see it; nothing was changed at the targets`;
  return new TransferError('NotFound', message).on('source');
}

interface At {
  readonly repository: string;
  readonly listing: Listing;
  readonly place: Place;
}

async function compareAt(options: ComparisonOptions, { repository, listing, place }: At): Promise<RepositoryResult> {
  const { context, signal } = options;
  try {
    const to = nameAt(place, context.loaded.rule, repository);
    const copies = await copiesIn(context, place, repository);
    const selected = selectedOf(context, listing);
    const there = await sided('target', listTarget(options, place, to, selected));
    const returns = context.returns({ repository, target: place.text, name: to, source: listing, listing: there });
    const policy = policyOf(context.loaded.rule, returns, context.now());
    const findings: Finding[] = [];
    const seenOf = looksAt(listing, there, context.now());
    for (const tag of new Set([...selected, ...goneOf(listing, copies, returns)])) {
      const views = { source: listing.tags.get(tag), target: there.tags.get(tag), copy: copies.get(tag) };
      const decision = decideTag(views, policy);
      const seen = decision.action === 'copy' ? seenOf(tag) : undefined;
      findings.push({ repository, tag, place, to, ...views, decision, ...(seen && { seen }) });
    }
    return { repository, place, findings };
  } catch (error) {
    signal.throwIfAborted();
    return { repository, place, error };
  }
}

function selectedOf({ loaded, now }: RuleContext, { tags }: Listing): string[] {
  const live = [...tags.values()].filter(({ digest, deleted }) => digest !== undefined && deleted === undefined);
  return selectTags(live, loaded.rule.tags, now()).map(({ tag }) => tag);
}

/** Tags that were copied and that the source does not have any more, where its list can be taken as proof. */
function goneOf({ tags, whole }: Listing, copies: ReadonlyMap<string, CopyRow>, returns: boolean): string[] {
  if (!whole || !provesAbsence(tags.size)) return [];
  const gone = [...copies.keys()].filter((tag) => tags.get(tag) === undefined);
  const buried = [...tags.values()].filter(({ tag, deleted }) => deleted !== undefined && (returns || copies.has(tag)));
  return [...gone, ...buried.map(({ tag }) => tag)];
}

async function listTarget(
  { context, deep, signal }: ComparisonOptions,
  { side }: Place,
  to: string,
  selected: readonly string[],
): Promise<Listing> {
  const listing = await side.list(to, signal);
  if (!deep && !needsTimes(context.loaded.rule.tags)) return listing;
  const bare = selected.filter((tag) => listing.tags.has(tag) && listing.tags.get(tag)?.digest === undefined);
  if (bare.length === 0) return listing;
  const looked = await side.look(to, bare, signal);
  return { ...listing, tags: new Map([...listing.tags, ...looked.tags]) };
}

async function copiesIn(
  { metadata, loaded }: RuleContext,
  { text }: Place,
  repository: string,
): Promise<Map<string, CopyRow>> {
  const found = new Map<string, CopyRow>();
  for (let tag = ''; ; ) {
    const rows = await metadata.copies(loaded.name, text, { last: { repository, tag }, limit: page });
    for (const row of rows) if (row.repository === repository) found.set(row.tag, row);
    const last = rows.at(-1);
    if (last === undefined || last.repository !== repository || rows.length < page) return found;
    tag = last.tag;
  }
}

const hostFaults: ReadonlySet<TransferFault> = new Set(['Unreachable', 'Untrusted', 'Unauthorized', 'RateLimited']);

/** Whether a failure says something of the registry at that end, and not of one repository. */
function isOfHost(error: unknown): boolean {
  return isTransferError(error) && hostFaults.has(error.fault);
}
