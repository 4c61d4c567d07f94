import { Refusal } from '../../domain/errors.ts';
import type { Rooms } from './api.ts';
import type { Exchange } from './exchange.ts';
import { replyJson } from './exchange.ts';
import { wantsPeerTags } from './peer-request.ts';
import { type PageQuery, pageQuery } from './query.ts';

/** Entries in a page where the client names no number, and the most it may ask for. */
const defaultPage = 1000;
const largestPage = 10_000;

/** `GET /v2/<name>/tags/list` (distribution-spec v1.1 §"Listing Tags"): ASCII order, `Link` where there is more. */
export async function listTags(rooms: Rooms, exchange: Exchange, repository: string): Promise<void> {
  const { metadata, gate } = rooms;
  gate.authorize(exchange.identity, 'Pull', repository, exchange.caller);
  const asPeer = wantsPeerTags(exchange);
  if (asPeer && gate.allows(exchange.identity, 'Replicate', repository)) {
    // Loaded with the first that asks: most registries have no peer.
    const { listPeerTags } = await import('./peer-tags.ts');
    return await listPeerTags(rooms, exchange, repository);
  }
  const query = pageQuery(exchange.query);
  const { entries, more } = await readPage(query, (page) => metadata.tags(repository, page));
  if (entries.length === 0 && !(await metadata.repositoryExists(repository))) {
    throw new Refusal('NAME_UNKNOWN', `there is no repository ${repository} here`);
  }
  const headers = more ? { link: next(`/v2/${repository}/tags/list`, entries, query) } : {};
  const hint = asPeer ? signInHint(rooms, exchange, repository) : {};
  replyJson(exchange, { name: repository, tags: entries }, { headers: { ...headers, ...hint } });
}

/** RFC 9110 §11.6.1: whoever may pull without a name is told that with one there is more to be had. */
function signInHint({ gate }: Rooms, { identity, caller }: Exchange, repository: string): Record<string, string> {
  try {
    gate.authorize(identity, 'Replicate', repository, caller);
    return {};
  } catch (error) {
    if (error instanceof Refusal) return error.headers;
    throw error;
  }
}

/** `GET /v2/_catalog` (Docker Registry HTTP API V2 §"Listing Repositories"): names that the caller may pull from. */
export async function listRepositories({ metadata, gate }: Rooms, exchange: Exchange): Promise<void> {
  gate.authorize(exchange.identity, 'List', undefined, exchange.caller);
  const query = pageQuery(exchange.query);
  const { entries, more } = await readPage(query, (page) => metadata.repositories(page));
  const visible = entries.filter((name) => gate.allows(exchange.identity, 'List', name));
  replyJson(
    exchange,
    { repositories: visible },
    { headers: more ? { link: next('/v2/_catalog', entries, query) } : {} },
  );
}

async function readPage(
  query: PageQuery,
  read: (page: { last?: string; limit: number }) => string[] | Promise<string[]>,
): Promise<{ entries: string[]; more: boolean }> {
  const limit = Math.min(query.n ?? defaultPage, largestPage);
  if (limit === 0) return { entries: [], more: false };
  // One more than asked for tells whether there is a next page.
  const found = await read({ limit: limit + 1, ...(query.last === undefined ? {} : { last: query.last }) });
  return { entries: found.slice(0, limit), more: found.length > limit };
}

function next(path: string, entries: readonly string[], query: PageQuery): string {
  const last = encodeURIComponent(entries.at(-1) ?? '');
  const n = Math.min(query.n ?? defaultPage, largestPage);
  return `<${path}?n=${n}&last=${last}>; rel="next"`;
}
