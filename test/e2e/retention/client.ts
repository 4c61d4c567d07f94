/** What a person with the administrator's password does to a registry in the cluster: pushes images that run, and asks about them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { OutgoingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { attempt } from '../cluster/command.ts';
import type { Door } from '../registry/setup.ts';

const cli = fileURLToPath(new URL('../../../bin/ne-cli.js', import.meta.url));

export interface Answer {
  readonly status: number;
  readonly location: string;
  readonly type: string;
  readonly body: Buffer;
}

interface Sent {
  readonly body?: Buffer | string;
  readonly headers?: OutgoingHttpHeaders;
}

interface Image {
  readonly config: { readonly digest: string; readonly size: number; readonly mediaType: string };
  readonly layers: readonly unknown[];
}

export class Client {
  readonly #door: Door;
  readonly #agent: Agent;

  static async for(door: Door): Promise<Client> {
    return new Client(door, await readFile(door.caFile));
  }

  private constructor(door: Door, ca: Buffer) {
    this.#door = door;
    this.#agent = new Agent({ ca, keepAlive: true });
  }

  /**
   * Pushes images that are like `base`, which the repository holds, but for a label, each with a tag of its own. Each can be run,
   * each has its own digest, and they were pushed in the order of the tags.
   */
  async pushLike(repository: string, base: string, tags: readonly string[]): Promise<Map<string, string>> {
    const got = await this.send('GET', `/v2/${repository}/manifests/${base}`, { headers: { accept: '*/*' } });
    assert.equal(got.status, 200, got.body.toString());
    const image = JSON.parse(got.body.toString()) as Image;
    const config = await this.send('GET', `/v2/${repository}/blobs/${image.config.digest}`);
    const digests = new Map<string, string>();
    for (const tag of tags) {
      const parsed = JSON.parse(config.body.toString()) as { config?: object };
      const own = Buffer.from(JSON.stringify({ ...parsed, config: { ...parsed.config, Labels: { tag } } }));
      const digest = await this.#pushBlob(repository, own);
      const manifest = JSON.stringify({ ...image, config: { ...image.config, digest, size: own.length } });
      const path = `/v2/${repository}/manifests/${tag}`;
      const put = await this.send('PUT', path, { body: manifest, headers: { 'content-type': got.type } });
      assert.equal(put.status, 201, put.body.toString());
      digests.set(tag, digestOf(Buffer.from(manifest)));
    }
    return digests;
  }

  /** All tags of a repository. */
  async tags(repository: string): Promise<string[]> {
    const { status, body } = await this.send('GET', `/v2/${repository}/tags/list?n=10000`);
    assert.equal(status, 200, body.toString());
    return (JSON.parse(body.toString()) as { tags: string[] }).tags;
  }

  /** What `ne-cli retention …` prints as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the command says
  async retention(...args: readonly string[]): Promise<any> {
    const [command = '', reference = '', ...rest] = args;
    const { authority, env, caFile } = this.#door;
    const whole = ['retention', command, `${authority}/${reference}`, ...rest, '--ca-file', caFile, '--output', 'json'];
    const { code, stdout, stderr } = await attempt(process.execPath, [cli, ...whole], { env });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  async #pushBlob(repository: string, bytes: Buffer): Promise<string> {
    const begun = await this.send('POST', `/v2/${repository}/blobs/uploads/`);
    const digest = digestOf(bytes);
    const headers = { 'content-type': 'application/octet-stream' };
    const done = await this.send('PUT', `${begun.location}?digest=${digest}`, { body: bytes, headers });
    assert.equal(done.status, 201, done.body.toString());
    return digest;
  }

  send(method: string, path: string, { body = '', headers }: Sent = {}): Promise<Answer> {
    const url = new URL(path, `https://${this.#door.authority}`);
    const options = {
      method,
      auth: `admin:${this.#door.password}`,
      agent: this.#agent,
      headers: { 'content-length': Buffer.byteLength(body), ...headers },
    };
    return new Promise((resolve, reject) => {
      const sent = request(url, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const { location = '', 'content-type': type = '' } = response.headers;
          resolve({ status: response.statusCode ?? 0, location, type, body: Buffer.concat(chunks) });
        });
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
