import { isTag } from '../../domain/oci/reference.ts';
import { isTransferError, TransferError } from '../errors.ts';
import { nextLink } from '../http/link.ts';
import { printable } from './answer-fault.ts';
import type { RegistryClient } from './client.ts';
import { catalogScope, pullScope } from './scope.ts';

export interface PageRequest {
  /** Path and query of the first page. */
  readonly path: string;
  readonly scopes: readonly string[];
  /** The action in words, for errors. */
  readonly what: string;
  /** Media types of lists; JSON unless given. */
  readonly accept?: string;
  /** See RegistryRequest. */
  readonly signsIn?: boolean;
}

const maxPageBytes = 16 * 1_048_576;
/** Somebody who sends more pages, or names, than any registry has sends them without end. */
const maxPages = 20_000;
export const maxNames = 1_000_000;

/** The tags of a repository, page by page, in the registry's order. A failed page fails the whole: a listing is complete or none. */
export async function* listTags(
  client: RegistryClient,
  repository: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const request = {
    path: `/v2/${repository}/tags/list?n=1000`,
    scopes: [pullScope(repository)],
    what: `list the tags of ${repository}`,
  };
  const pages = listPages(client, request, signal);
  for await (const page of pages) yield* tagsIn(page, client.host);
}

/** All tags of a repository at one moment. */
export interface TagListing {
  readonly tags: readonly string[];
  /** False where the registry does not know the repository: to most, one that nothing was pushed to. */
  readonly found: boolean;
}

/** Reads the whole list of tags. @throws TransferError when any page fails: a part of a list is never taken for all of it */
export async function readTags(client: RegistryClient, repository: string, signal: AbortSignal): Promise<TagListing> {
  const tags: string[] = [];
  try {
    for await (const tag of listTags(client, repository, signal)) {
      if (tags.push(tag) > maxNames) throw endless(client.host, `list the tags of ${repository}`);
    }
  } catch (error) {
    if (isTransferError(error, 'NotFound') && tags.length === 0) return { tags, found: false };
    throw error;
  }
  return { tags, found: true };
}

/** The repositories of a registry that the caller may see (`_catalog`, a Docker extension that some registries lack). */
export async function* listRepositories(client: RegistryClient, signal: AbortSignal): AsyncGenerator<string> {
  const request = { path: '/v2/_catalog?n=1000', scopes: [catalogScope], what: 'list the repositories' };
  const pages = listPages(client, request, signal);
  let names = 0;
  for await (const page of pages) {
    const found = stringsOf(page, 'repositories', client.host);
    names += found.length;
    if (names > maxNames) throw endless(client.host, 'list the repositories');
    yield* found;
  }
}

/** Follows `Link: rel="next"` on the registry itself, whatever host the link names. */
export async function* listPages(
  client: RegistryClient,
  { path, scopes, what, accept, signsIn = false }: PageRequest,
  signal: AbortSignal,
): AsyncGenerator<Record<string, unknown>> {
  const seen = new Set<string>();
  for (let next: string | undefined = path; next !== undefined; ) {
    if (seen.has(next))
      throw new TransferError('Invalid', `${client.host}: its pages go round in a circle; cannot ${what}`);
    if (seen.size === maxPages) throw endless(client.host, what);
    seen.add(next);
    const request = {
      method: 'GET',
      path: next,
      scopes,
      what,
      accept: [200],
      headers: { accept: accept ?? 'application/json, application/vnd.oci.image.index.v1+json' },
      signsIn,
      signal,
    } as const;
    const answer = await client.read(request, maxPageBytes);
    yield jsonObject(answer.bytes, client.host, what);
    const link = nextLink([answer.headers.link ?? []].flat().join(', '));
    const url: URL | null | undefined = link === undefined ? undefined : URL.parse(link, answer.url);
    if (url === null)
      throw new TransferError('Invalid', `${client.host}: sent an unusable link to its next page; cannot ${what}`);
    next = url === undefined ? undefined : url.pathname + url.search;
  }
}

/**
 * The names in a page of a list of tags. Such a name becomes part of a path, also on another registry: nothing else may come in
 * its place.
 * @throws TransferError `Invalid`
 */
export function tagsIn(page: Readonly<Record<string, unknown>>, host: string): string[] {
  const tags = stringsOf(page, 'tags', host);
  const wrong = tags.find((tag) => !isTag(tag));
  if (wrong === undefined) return tags;
  throw new TransferError('Invalid', `${host}: lists ${JSON.stringify(printable(wrong))}, which cannot be a tag`);
}

/** A list without an end. */
export function endless(host: string, what: string): TransferError {
  return new TransferError('Invalid', `${host}: its list does not end; cannot ${what}`);
}

function stringsOf(page: Readonly<Record<string, unknown>>, field: string, host: string): string[] {
  const list = page[field] ?? [];
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) {
    throw new TransferError('Invalid', `${host}: answered a listing whose ${field} is no list of names`);
  }
  return list as string[];
}

function jsonObject(bytes: Buffer, host: string, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new TransferError('Invalid', `${host}: did not answer JSON; cannot ${what}. Is this a registry?`);
}
