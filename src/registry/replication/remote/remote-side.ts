import { bounded } from '../../../transfer/copy/bounded.ts';
import { isTransferError, TransferError } from '../../../transfer/errors.ts';
import { RegistryImage } from '../../../transfer/image/registry-image.ts';
import type { RegistryClient } from '../../../transfer/registry/client.ts';
import { endless, listPages, listRepositories, maxNames, tagsIn } from '../../../transfer/registry/listing.ts';
import { deleteManifest, headManifest } from '../../../transfer/registry/manifests.ts';
import { isFallbackTag } from '../../../transfer/registry/referrers.ts';
import { pullScope } from '../../../transfer/registry/scope.ts';
import { digestHeader, versionHeaders } from '../../version-headers.ts';
import { type PeerPage, peerTags, readPeerPage } from '../peer-list.ts';
import type { ListedTag, Listing, Side, SideImage, TagDeletion } from '../side.ts';
import { CreationTimes } from './creation-times.ts';
import { RemoteReferrers } from './remote-referrers.ts';

export interface RemoteSideOptions {
  readonly client: RegistryClient;
  /** What refers to each image matters. */
  readonly signatures: boolean;
  /** It matters when images were pushed; where that is not told, when they were made. */
  readonly times: boolean;
}

const page = 1000;
/** Names in one question to a registry of this project. */
const mostAsked = 50;
/** Tags that are asked for at once, each with a request, of other registries. */
const atOnce = 8;

/** Another registry as one end of a rule. Those of this project tell versions and tombstones, and answer for many tags at once. */
export class RemoteSide implements Side {
  readonly own = false;
  readonly #client: RegistryClient;
  readonly #referrers: boolean;
  readonly #signatures: RemoteReferrers;
  readonly #times: boolean;
  readonly #creation: CreationTimes;
  /** Null where it is a registry of another kind; undefined where it was not asked yet. */
  #identity: string | null | undefined;

  constructor({ client, signatures, times }: RemoteSideOptions) {
    this.#client = client;
    this.#referrers = signatures;
    this.#signatures = new RemoteReferrers(client);
    this.#times = times;
    this.#creation = new CreationTimes(client);
  }

  get name(): string {
    return this.#client.host;
  }

  get identity(): string | null | undefined {
    return this.#identity;
  }

  repositories(signal: AbortSignal): AsyncIterable<string> {
    return listRepositories(this.#client, signal);
  }

  async list(repository: string, signal: AbortSignal): Promise<Listing> {
    const query = new URLSearchParams({ n: String(page) });
    if (this.#referrers && typeof this.#identity === 'string') query.set('referrers', 'true');
    const first = await this.#pages(repository, query, signal);
    if (query.has('referrers') || !this.#referrers || first.identity === undefined) return first;
    // It has only now turned out that it can be asked for more.
    return await this.#pages(repository, new URLSearchParams({ n: String(page), referrers: 'true' }), signal);
  }

  async look(repository: string, names: readonly string[], signal: AbortSignal): Promise<Listing> {
    const tags = new Map<string, ListedTag>();
    let known: Listing | undefined;
    for (let at = 0; at < names.length && this.#identity !== null; at += mostAsked) {
      const query = new URLSearchParams({ n: '1' });
      for (const name of names.slice(at, at + mostAsked)) query.append('tag', name);
      if (this.#referrers) query.set('referrers', 'true');
      known = await this.#pages(repository, query, signal, 1);
      if (known.identity !== undefined) for (const [name, tag] of known.tags) tags.set(name, tag);
    }
    if (this.#identity !== null) return { ...known, tags, whole: false };
    await bounded(names, atOnce, signal, async (name, both) => {
      const head = await headManifest(this.#client, repository, name, both);
      if (head === undefined) return;
      const referrers = this.#referrers ? await this.#signatures.hash(repository, head, both) : undefined;
      const pushedAt = this.#times ? await this.#creation.of(repository, head.digest, both) : undefined;
      const told = { ...(referrers !== undefined && { referrers }), ...(pushedAt !== undefined && { pushedAt }) };
      tags.set(name, { tag: name, digest: head.digest, ...told });
    });
    return { tags, whole: false };
  }

  image(repository: string): SideImage {
    return new RegistryImage(this.#client, repository);
  }

  async deleteTag({ repository, tag, version, digest }: TagDeletion, signal: AbortSignal): Promise<boolean> {
    const headers = { ...(version && versionHeaders(version)), [digestHeader]: digest };
    try {
      await deleteManifest(this.#client, { repository, reference: tag, headers }, signal);
      return true;
    } catch (error) {
      if (isTransferError(error, 'NotFound') || (version !== undefined && isTransferError(error, 'Conflict')))
        return false;
      throw error;
    }
  }

  /** @param most pages; all unless given */
  async #pages(
    repository: string,
    query: URLSearchParams,
    signal: AbortSignal,
    most = Number.MAX_SAFE_INTEGER,
  ): Promise<Listing> {
    const request = {
      path: `/v2/${repository}/tags/list?${query}`,
      scopes: [pullScope(repository)],
      what: `list the tags of ${repository}`,
      accept: `${peerTags}, application/json`,
      signsIn: true,
    };
    const found = new Pages(this.#client.host);
    try {
      for await (const body of listPages(this.#client, request, signal)) {
        found.add(body);
        if (found.read >= most) break;
      }
    } catch (error) {
      // A repository comes into being with its first image.
      if (found.read > 0 || !isTransferError(error, 'NotFound')) throw error;
      return { tags: new Map(), whole: true, absent: true, identity: this.#identity ?? undefined };
    }
    this.#identity = found.peer?.registry ?? null;
    const { tags, peer, read } = found;
    if (peer === undefined && read < most) this.#signatures.noteFallbacks(repository, found.fallbacks);
    return { tags, whole: read < most, identity: peer?.registry, ...(peer?.flows && { flows: peer.flows }) };
  }
}

/** The pages of one list, all of one kind. */
class Pages {
  readonly tags = new Map<string, ListedTag>();
  /** Tags that stand in for the referrers API: they go with what they refer to. */
  readonly fallbacks: string[] = [];
  read = 0;
  /** The last page, of a registry of this project. */
  peer: PeerPage | undefined;
  readonly #host: string;

  constructor(host: string) {
    this.#host = host;
  }

  add(body: Readonly<Record<string, unknown>>): void {
    const peer = readPeerPage(body);
    if (this.read > 0 && (peer === undefined) !== (this.peer === undefined)) throw changedMidway(this.#host);
    for (const tag of peer?.tags ?? tagsIn(body, this.#host).map((name): ListedTag => ({ tag: name }))) {
      if (isFallbackTag(tag.tag)) this.fallbacks.push(tag.tag);
      else this.tags.set(tag.tag, tag);
    }
    if (this.tags.size + this.fallbacks.length > maxNames) throw endless(this.#host, 'list its tags');
    this.peer = peer;
    this.read += 1;
  }
}

function changedMidway(host: string): TransferError {
  return new TransferError(
    'Invalid',
    `${host}: answered the pages of one list in two ways; is it behind a load balancer?`,
  );
}
