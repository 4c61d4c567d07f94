/** Pushes and pulls without pause, and remembers every request that was not answered as it should be. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Door } from '../registry/setup.ts';

const repository = 'traffic/images';
const imageType = 'application/vnd.oci.image.manifest.v1+json';
const layerBytes = 2_000_000;

interface Answer {
  readonly status: number;
  readonly location: string;
  readonly body: Buffer;
}

interface Sending {
  readonly agent: Agent;
  readonly body?: Buffer;
}

export class Traffic implements AsyncDisposable {
  /** What was acknowledged: tag to digest. */
  readonly tags = new Map<string, string>();
  /** What was not answered, or not as it should be, in words. */
  readonly failures: string[] = [];
  answered = 0;
  readonly #door: Door;
  readonly #ca: Buffer;
  #stopping = false;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(door: Door, ca: Buffer) {
    this.#door = door;
    this.#ca = ca;
  }

  /** Two clients that push and two that pull what was pushed last. */
  static async start(door: Door): Promise<Traffic> {
    const traffic = new Traffic(door, await readFile(door.caFile));
    const name = randomBytes(3).toString('hex');
    traffic.#running = Promise.all([
      ...['a', 'b'].map((client) =>
        traffic.#repeat((agent, count) => traffic.#push(agent, `${name}-${client}-${count}`)),
      ),
      ...['c', 'd'].map(() => traffic.#repeat((agent) => traffic.#pull(agent))),
    ]);
    return traffic;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Reads back everything that was acknowledged; throws where something is missing or wrong. */
  async verify(): Promise<void> {
    const agent = new Agent({ ca: this.#ca, keepAlive: true });
    try {
      for (const [tag, digest] of this.tags) await this.#image(agent, tag, digest);
    } finally {
      agent.destroy();
    }
  }

  /** Each client keeps its connection, as real ones do, and starts anew where a request failed. */
  async #repeat(work: (agent: Agent, count: number) => Promise<void>): Promise<void> {
    for (let count = 0; !this.#stopping; ) {
      const agent = new Agent({ ca: this.#ca, keepAlive: true, maxSockets: 1 });
      try {
        while (!this.#stopping) await work(agent, count++);
      } catch (error) {
        this.failures.push(`${new Date().toISOString()} ${error instanceof Error ? error.message : String(error)}`);
        await sleep(200);
      } finally {
        agent.destroy();
      }
    }
  }

  async #push(agent: Agent, tag: string): Promise<void> {
    const layer = await this.#chunked(agent, randomBytes(layerBytes));
    const config = await this.#whole(agent, Buffer.from(JSON.stringify({ tag })));
    const describe = (digest: string, size: number) => ({ mediaType: 'application/octet-stream', digest, size });
    const image = {
      schemaVersion: 2,
      mediaType: imageType,
      config: describe(config, JSON.stringify({ tag }).length),
      layers: [describe(layer, layerBytes)],
    };
    const body = Buffer.from(JSON.stringify(image));
    await this.#send('PUT', `manifests/${tag}`, 201, { agent, body });
    this.tags.set(tag, digestOf(body));
  }

  async #pull(agent: Agent): Promise<void> {
    const [tag, digest] = [...this.tags].at(-1) ?? [];
    if (tag === undefined || digest === undefined) return void (await sleep(100));
    await this.#image(agent, tag, digest);
  }

  async #image(agent: Agent, tag: string, digest: string): Promise<void> {
    const manifest = await this.#get(agent, `manifests/${tag}`, digest);
    const { layers } = JSON.parse(manifest.toString()) as { layers: { digest: string }[] };
    for (const layer of layers) await this.#get(agent, `blobs/${layer.digest}`, layer.digest);
  }

  async #get(agent: Agent, path: string, digest: string): Promise<Buffer> {
    const { body } = await this.#send('GET', path, 200, { agent });
    if (digestOf(body) !== digest) throw new Error(`GET ${path}: the bytes are not those of ${digest}`);
    return body;
  }

  /** In two pieces: the second may well reach another replica than the first. */
  async #chunked(agent: Agent, bytes: Buffer): Promise<string> {
    const half = bytes.length / 2;
    const begun = await this.#send('POST', 'blobs/uploads/', 202, { agent });
    const on = await this.#send('PATCH', begun.location, 202, { agent, body: bytes.subarray(0, half) });
    const digest = digestOf(bytes);
    const end = `${on.location}${on.location.includes('?') ? '&' : '?'}digest=${digest}`;
    await this.#send('PUT', end, 201, { agent, body: bytes.subarray(half) });
    return digest;
  }

  async #whole(agent: Agent, bytes: Buffer): Promise<string> {
    const digest = digestOf(bytes);
    const { location } = await this.#send('POST', 'blobs/uploads/', 202, { agent });
    const end = `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`;
    await this.#send('PUT', end, 201, { agent, body: bytes });
    return digest;
  }

  async #send(method: string, path: string, expected: number, { agent, body }: Sending): Promise<Answer> {
    const answer = await this.#once(method, path, { agent, ...(body === undefined ? {} : { body }) }).catch((error) => {
      throw new Error(`${method} ${path}: ${error instanceof Error ? error.message : String(error)}`);
    });
    if (answer.status !== expected) {
      throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString().slice(0, 300)}`);
    }
    this.answered++;
    return answer;
  }

  #once(method: string, path: string, { agent, body }: Sending): Promise<Answer> {
    const from = `https://${this.#door.authority}`;
    const url = new URL(path.startsWith('/') || path.startsWith('http') ? path : `/v2/${repository}/${path}`, from);
    const type = path.startsWith('manifests/') ? imageType : 'application/octet-stream';
    const headers = { 'content-type': type, 'content-length': body?.length ?? 0 };
    const auth = `admin:${this.#door.password}`;
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, auth, agent, timeout: 60_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, location: answered.location ?? '', body: Buffer.concat(chunks) });
        });
      });
      sent.once('timeout', () => sent.destroy(new Error('no answer in 60 s')));
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
