/** Pushes without pause to a registry that is killed meanwhile, and remembers what was answered 201. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Door } from './setup.ts';

const repository = 'killed/images';
const imageType = 'application/vnd.oci.image.manifest.v1+json';

interface Answer {
  status: number;
  location: string;
  body: Buffer;
}

export class Pusher {
  readonly blobs = new Set<string>();
  readonly tags = new Map<string, string>();
  readonly #door: Door;
  readonly #agent: Agent;
  #stopping = false;

  private constructor(door: Door, ca: Buffer) {
    this.#door = door;
    this.#agent = new Agent({ ca, keepAlive: true });
  }

  static async for(door: Door): Promise<Pusher> {
    return new Pusher(door, await readFile(door.caFile));
  }

  /** Pushes images until `stop`; a push whose connection breaks is given up, any other failure is thrown. */
  async run(name: string): Promise<void> {
    for (let count = 0; !this.#stopping; count++) {
      try {
        await this.#image(`${name}-${count}`);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        await sleep(200);
      }
    }
  }

  stop(): void {
    this.#stopping = true;
  }

  /** Reads back everything that was acknowledged, and closes the connections. */
  async verify(): Promise<void> {
    for (const digest of this.blobs) await this.#whole(`blobs/${digest}`, digest);
    for (const [tag, digest] of this.tags) await this.#whole(`manifests/${tag}`, digest);
    this.#agent.destroy();
  }

  async #image(tag: string): Promise<void> {
    const layer = await this.#blob(randomBytes(200_000));
    const config = await this.#blob(Buffer.from('{}'));
    const describe = (digest: string, size: number) => ({ mediaType: 'application/octet-stream', digest, size });
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: imageType,
        config: describe(config, 2),
        layers: [describe(layer, 200_000)],
      }),
    );
    const put = await this.#send('PUT', `manifests/${tag}`, body);
    assert.equal(put.status, 201, put.body.toString());
    this.tags.set(tag, digestOf(body));
  }

  async #blob(bytes: Buffer): Promise<string> {
    const begun = await this.#send('POST', 'blobs/uploads/');
    assert.equal(begun.status, 202, begun.body.toString());
    const digest = digestOf(bytes);
    const done = await this.#send('PUT', `${begun.location}?digest=${digest}`, bytes);
    assert.equal(done.status, 201, done.body.toString());
    this.blobs.add(digest);
    return digest;
  }

  async #whole(path: string, digest: string): Promise<void> {
    const got = await this.#send('GET', path);
    assert.deepEqual([path, got.status, digestOf(got.body)], [path, 200, digest]);
  }

  #send(method: string, path: string, body?: Buffer): Promise<Answer> {
    const url = new URL(path.startsWith('/') ? path : `/v2/${repository}/${path}`, `https://${this.#door.authority}`);
    const headers = { 'content-type': imageType, 'content-length': body?.length ?? 0 };
    const auth = `admin:${this.#door.password}`;
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, auth, agent: this.#agent, timeout: 20_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            location: response.headers.location ?? '',
            body: Buffer.concat(chunks),
          }),
        );
      });
      sent.once('timeout', () => sent.destroy(new Error('no answer in 20 s')));
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
