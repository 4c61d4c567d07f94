import type { Digest } from '../../../domain/oci/digest.ts';
import { isIndex } from '../../../domain/oci/media-types.ts';
import { discard } from '../../../transfer/http/wire.ts';
import type { RegistryClient } from '../../../transfer/registry/client.ts';
import { getManifest, type ManifestHead } from '../../../transfer/registry/manifests.ts';
import { fallbackTag, listReferrers } from '../../../transfer/registry/referrers.ts';
import { pullScope } from '../../../transfer/registry/scope.ts';
import { hashOf } from '../own/referrers.ts';

const deepest = 8;
const most = 10_000;
/** Indexes whose children are remembered: the bytes of a digest never change. */
const remembered = 5_000;
/** For how long it counts that a registry has no referrers API, milliseconds. */
const lifetime = 600_000;

/** What refers to images of a registry that can only be asked image by image. */
export class RemoteReferrers {
  readonly #client: RegistryClient;
  readonly #children = new Map<Digest, readonly Digest[]>();
  /** By repository: the tags that stand in for the referrers API, out of its last list. */
  readonly #fallbacks = new Map<string, ReadonlySet<string>>();
  #api: { readonly offered: boolean; readonly at: number } | undefined;

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  noteFallbacks(repository: string, tags: Iterable<string>): void {
    this.#fallbacks.set(repository, new Set(tags));
  }

  /** Everything that refers to an image or to a part of it, hashed; empty where nothing does. */
  async hash(repository: string, image: ManifestHead, signal: AbortSignal): Promise<string> {
    const found = new Set<Digest>();
    let subjects: readonly Digest[] = [image.digest, ...(await this.#childrenOf(repository, image, signal))];
    for (let depth = 0; depth < deepest && subjects.length > 0 && found.size < most; depth++) {
      const next: Digest[] = [];
      for (const subject of subjects) {
        for (const digest of await this.#listOf(repository, subject, signal)) {
          if (found.has(digest)) continue;
          found.add(digest);
          next.push(digest);
        }
      }
      subjects = next;
    }
    return hashOf(found);
  }

  async #listOf(repository: string, subject: Digest, signal: AbortSignal): Promise<Digest[]> {
    const known = this.#fallbacks.get(repository);
    const asked =
      (await this.#offered(repository, subject, signal)) || known === undefined || known.has(fallbackTag(subject));
    if (!asked) return [];
    const listed = await listReferrers(this.#client, repository, subject, signal);
    return listed.map(({ digest }) => digest);
  }

  /** Whether there is a referrers API at all: without it, the list of tags says where there is anything to ask for. */
  async #offered(repository: string, subject: Digest, signal: AbortSignal): Promise<boolean> {
    const now = performance.now();
    if (this.#api !== undefined && now - this.#api.at < lifetime) return this.#api.offered;
    const answer = await this.#client.request({
      method: 'GET',
      path: `/v2/${repository}/referrers/${subject}`,
      scopes: [pullScope(repository)],
      what: `list the referrers of ${repository}@${subject}`,
      accept: [200, 400, 404, 405, 501],
      signal,
    });
    discard(answer);
    this.#api = { offered: answer.status === 200, at: now };
    return this.#api.offered;
  }

  async #childrenOf(
    repository: string,
    { digest, mediaType }: ManifestHead,
    signal: AbortSignal,
  ): Promise<readonly Digest[]> {
    if (!isIndex(mediaType)) return [];
    const known = this.#children.get(digest);
    if (known !== undefined) return known;
    const { content } = await getManifest(this.#client, repository, digest, signal);
    const children = content.children.map((child) => child.digest);
    const [oldest] = this.#children.keys();
    if (this.#children.size >= remembered && oldest !== undefined) this.#children.delete(oldest);
    this.#children.set(digest, children);
    return children;
  }
}
