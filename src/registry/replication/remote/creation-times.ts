import { isJsonObject } from '../../../domain/json.ts';
import type { Digest } from '../../../domain/oci/digest.ts';
import type { ManifestBytes } from '../../../transfer/image/image.ts';
import { readBlob } from '../../../transfer/registry/blob-reader.ts';
import type { RegistryClient } from '../../../transfer/registry/client.ts';
import { getManifest } from '../../../transfer/registry/manifests.ts';

const annotation = 'org.opencontainers.image.created';
/** Configs of images are small; a larger one is none. */
const largestConfig = 1024 * 1024;
/** Images whose time is remembered: the bytes of a digest never change. */
const remembered = 20_000;

/** When images were made, as they say themselves: of registries that do not tell when they were pushed. */
export class CreationTimes {
  readonly #client: RegistryClient;
  readonly #known = new Map<Digest, number | undefined>();

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  /** Milliseconds since the epoch; undefined where the image does not say. */
  async of(repository: string, digest: Digest, signal: AbortSignal): Promise<number | undefined> {
    if (this.#known.has(digest)) return this.#known.get(digest);
    const at = await this.#read(repository, digest, signal);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= remembered && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(digest, at);
    return at;
  }

  async #read(repository: string, digest: Digest, signal: AbortSignal): Promise<number | undefined> {
    const manifest = await getManifest(this.#client, repository, digest, signal);
    const said = timeIn(manifest.content.annotations?.[annotation]);
    if (said !== undefined) return said;
    const [child] = manifest.content.children;
    if (child === undefined) return await this.#ofConfig(repository, manifest, signal);
    const image = await getManifest(this.#client, repository, child.digest, signal);
    return timeIn(image.content.annotations?.[annotation]) ?? (await this.#ofConfig(repository, image, signal));
  }

  async #ofConfig(repository: string, { content }: ManifestBytes, signal: AbortSignal): Promise<number | undefined> {
    const { config } = content;
    if (config === undefined || config.size > largestConfig) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of readBlob(this.#client, { repository, ...config }, 0, signal)) chunks.push(chunk);
    try {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      return isJsonObject(body) ? timeIn(body.created) : undefined;
    } catch {
      // The config of an artifact may be anything.
      return undefined;
    }
  }
}

function timeIn(value: unknown): number | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
