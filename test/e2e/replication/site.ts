/** A cluster with its Registry, as somebody sees it who pushes to it and looks what is there. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { type Bed, type Door, openDoor } from '../registry/setup.ts';

export const namespace = 'registry';
export const registryName = 'main';
/** `[namespace, name]` of the Registry that a site is about, unless it is told another. */
const usual = [namespace, registryName] as const;
const imageType = 'application/vnd.oci.image.manifest.v1+json';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

export class Site {
  readonly bed: Bed;
  readonly door: Door;
  readonly #agent: Agent;

  private constructor(bed: Bed, door: Door, ca: Buffer) {
    this.bed = bed;
    this.door = door;
    this.#agent = new Agent({ ca, keepAlive: true, maxSockets: 4 });
  }

  static async open(bed: Bed, registry: readonly [string, string] = usual): Promise<Site> {
    const door = await openDoor(bed, ...registry);
    return new Site(bed, door, await readFile(door.caFile));
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.door.close();
  }

  /** Pushes an image of one layer of so many random bytes. Answers its digest once it is acknowledged. */
  async push(repository: string, tag: string, bytes: number): Promise<string> {
    const layer = await this.#blob(repository, randomBytes(bytes));
    const config = await this.#blob(repository, Buffer.from('{}'));
    const describe = (digest: string, size: number) => ({ mediaType: 'application/octet-stream', digest, size });
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: imageType,
        config: describe(config, 2),
        layers: [describe(layer, bytes)],
      }),
    );
    const put = await this.#send('PUT', `/v2/${repository}/manifests/${tag}`, manifest);
    if (put.status !== 201) throw new Error(`the push of ${repository}:${tag} was answered ${put.status} ${put.body}`);
    return digestOf(manifest);
  }

  /** What a tag points at, or undefined; throws where the registry does not answer. */
  async digest(repository: string, tag: string): Promise<string | undefined> {
    const { status, headers } = await this.#send('HEAD', `/v2/${repository}/manifests/${tag}`);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`${repository}:${tag} was answered ${status}`);
    return String(headers['docker-content-digest']);
  }

  /** Every tag of a repository with its digest. */
  async tags(repository: string): Promise<Record<string, string | undefined>> {
    const { status, body } = await this.#send('GET', `/v2/${repository}/tags/list?n=10000`);
    if (status === 404) return {};
    const { tags } = JSON.parse(body.toString()) as { tags: string[] };
    return Object.fromEntries(
      await Promise.all(tags.sort().map(async (tag) => [tag, await this.digest(repository, tag)] as const)),
    );
  }

  /** Reads an image whole: its manifest and every blob, each compared with its digest. */
  async verify(repository: string, tag: string): Promise<void> {
    const manifest = await this.#send('GET', `/v2/${repository}/manifests/${tag}`);
    const { config, layers } = JSON.parse(manifest.body.toString()) as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    for (const { digest } of [config, ...layers]) {
      const { status, body } = await this.#send('GET', `/v2/${repository}/blobs/${digest}`);
      if (status !== 200 || digestOf(body) !== digest) throw new Error(`${repository}:${tag}: ${digest} is not whole`);
    }
  }

  async delete(repository: string, tag: string): Promise<void> {
    const { status, body } = await this.#send('DELETE', `/v2/${repository}/manifests/${tag}`);
    if (status !== 202) throw new Error(`deleting ${repository}:${tag} was answered ${status} ${body}`);
  }

  /** The sum of a figure that the registry's pod reports of itself, over its labels. */
  async metric(name: string): Promise<number> {
    const path = `/api/v1/namespaces/${namespace}/pods/${registryName}-0:9090/proxy/metrics`;
    const text = await this.bed.cluster.kubectl(['get', '--raw', path]);
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async #blob(repository: string, bytes: Buffer): Promise<string> {
    const begun = await this.#send('POST', `/v2/${repository}/blobs/uploads/`);
    const digest = digestOf(bytes);
    const location = String(begun.headers.location);
    const done = await this.#send('PUT', `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`, bytes);
    if (done.status !== 201) throw new Error(`a blob was answered ${done.status} ${done.body}`);
    return digest;
  }

  #send(method: string, path: string, body?: Buffer): Promise<Answer> {
    const url = new URL(path, `https://${this.door.authority}`);
    const headers = { accept: imageType, 'content-type': imageType, 'content-length': body?.length ?? 0 };
    const auth = `admin:${this.door.password}`;
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, auth, agent: this.#agent, timeout: 30_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      });
      sent.once('timeout', () => sent.destroy(new Error('no answer in 30 s')));
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
