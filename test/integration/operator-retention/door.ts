/** What a client of a registry does in these tests: pushes small images, asks the admin API. */
import { createHash, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:https';
import { ports } from '../../../src/operator/registry/paths.ts';
import type { Pod } from './bed.ts';

const imageType = 'application/vnd.oci.image.manifest.v1+json';

export interface Answer {
  readonly status: number;
  readonly location: string;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the registry says
  readonly json: any;
}

interface Sent {
  readonly body?: string | Buffer;
  readonly type?: string;
  /** The administrator's unless given. */
  readonly authorization?: string;
}

export class Door {
  readonly #address: string;
  readonly #auth: string;
  readonly #agent: Agent;

  static async to(pod: Pod): Promise<Door> {
    const [{ username, password }, { 'ca.crt': ca }] = [await pod.secret('admin'), await pod.secret('tls')];
    return new Door(pod.address, `${username}:${password}`, ca ?? '');
  }

  private constructor(address: string, auth: string, ca: string) {
    this.#address = address;
    this.#auth = auth;
    // The certificate is for the registry's names, and this is its pod's address.
    this.#agent = new Agent({ ca, keepAlive: true, checkServerIdentity: () => undefined });
  }

  /** Pushes an image that is like no other; answers the digest of its manifest. */
  async push(repository: string, tag: string): Promise<string> {
    const config = await this.#blob(
      repository,
      Buffer.from(JSON.stringify({ random: randomBytes(8).toString('hex') })),
    );
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: imageType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [],
    });
    const put = await this.send('PUT', `/v2/${repository}/manifests/${tag}`, { body, type: imageType });
    if (put.status !== 201) throw new Error(`${put.status} ${put.text}`);
    return digestOf(Buffer.from(body));
  }

  async tags(repository: string): Promise<string[]> {
    return (await this.send('GET', `/v2/${repository}/tags/list`)).json?.tags ?? [];
  }

  async #blob(repository: string, bytes: Buffer): Promise<{ digest: string; size: number }> {
    const digest = digestOf(bytes);
    const begun = await this.send('POST', `/v2/${repository}/blobs/uploads/`);
    const path = `${begun.location}?digest=${digest}`;
    const done = await this.send('PUT', path, { body: bytes, type: 'application/octet-stream' });
    if (done.status !== 201) throw new Error(`${done.status} ${done.text}`);
    return { digest, size: bytes.length };
  }

  send(
    method: string,
    path: string,
    { body = '', type = 'application/json', authorization }: Sent = {},
  ): Promise<Answer> {
    const { pathname, search } = new URL(path, 'https://registry');
    const options = {
      host: this.#address,
      port: ports.api,
      path: `${pathname}${search}`,
      method,
      headers: {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        authorization: authorization ?? `Basic ${Buffer.from(this.#auth).toString('base64')}`,
      },
      agent: this.#agent,
    };
    return new Promise((resolve, reject) => {
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('error', reject);
        response.once('end', () => {
          const { statusCode: status = 0, headers: had } = response;
          resolve({ status, location: had.location ?? '', text, json: parsed(text) });
        });
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
