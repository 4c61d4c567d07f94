import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ByteSpan } from '../store.ts';
import { built, type SdkRequest, signerOf } from './presign.ts';
import { type Head, UNUSUAL, Wire } from './wire.ts';

/** SHA-256 of no bytes: the payload of a GET. */
const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const MOST_IDLE = 16;

/** Bytes of an object on their way; each piece is valid until the next is asked for. */
export interface DirectBody {
  [Symbol.asyncIterator](): AsyncIterator<Buffer>;
  destroy(error?: Error): void;
}

export interface DirectContent {
  readonly size: number;
  readonly etag: string | undefined;
  readonly body: DirectBody;
  /** The pieces are buffers that are used again. */
  readonly lent: true;
}

/**
 * Fetches objects over connections of its own: the SDK says where, and signs; what it would do with the bytes is left out,
 * which is most of what a pull costs. Whatever is not a plain 200 or 206 is left to the SDK, which knows what it means.
 */
export class DirectReads {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #ca: Buffer | undefined;
  readonly #idle: Wire[] = [];
  readonly #open = new Set<Wire>();
  #template: Promise<SdkRequest> | undefined;
  #closed = false;

  constructor(client: S3Client, bucket: string, ca: Buffer | undefined) {
    this.#client = client;
    this.#bucket = bucket;
    this.#ca = ca;
  }

  /** Undefined where the SDK has to look; rejects as a connection does, or with the status of a store in trouble. */
  async get(name: string, range: ByteSpan | undefined, signal: AbortSignal): Promise<DirectContent | undefined> {
    const request = await this.#signed(name, range);
    const { wire, head } = await this.#ask(request, signal);
    if (head === undefined) return undefined;
    const content = contentOf(head, range);
    if (content === undefined) {
      wire.destroy();
      if (head.status >= 500) throw inTrouble(head.status);
      return undefined;
    }
    const pieces = wire.body();
    const destroy = (error?: Error) => {
      // An answer that was taken whole has given its connection back.
      if (!taken) wire.destroy(error);
    };
    let taken = false;
    const body = async function* () {
      yield* pieces;
      taken = true;
    };
    return { ...content, body: { [Symbol.asyncIterator]: body, destroy }, lent: true };
  }

  close(): void {
    this.#closed = true;
    for (const wire of this.#open) wire.destroy();
  }

  /** A connection that was idle may have been closed meanwhile: then a new one is tried at once. */
  async #ask(request: SdkRequest, signal: AbortSignal): Promise<{ wire: Wire; head: Head | undefined }> {
    const text = textOf(request);
    for (;;) {
      const used = this.#idle.pop();
      if (used?.destroyed === true) continue;
      const wire = used ?? this.#connect(request);
      try {
        return { wire, head: await wire.ask(text, signal) };
      } catch (error) {
        wire.destroy();
        const { code } = error as { code?: string };
        if (code === UNUSUAL) return { wire, head: undefined };
        if (used === undefined || signal.aborted) throw error;
      }
    }
  }

  #connect({ protocol, hostname, port }: SdkRequest): Wire {
    const tls = protocol === 'https:';
    const place = { tls, hostname, port: port ?? (tls ? 443 : 80), ca: this.#ca };
    for (const wire of this.#open) if (wire.destroyed) this.#open.delete(wire);
    const wire = new Wire(place, (idle) => {
      if (this.#closed || this.#idle.length >= MOST_IDLE) idle.destroy();
      else this.#idle.push(idle);
    });
    this.#open.add(wire);
    return wire;
  }

  async #signed(name: string, range: ByteSpan | undefined): Promise<SdkRequest> {
    this.#template ??= built(this.#client, new GetObjectCommand({ Bucket: this.#bucket, Key: 'x' }));
    const template = await this.#template.catch((error: unknown) => {
      this.#template = undefined;
      throw error;
    });
    const port = template.port === undefined ? '' : `:${template.port}`;
    const request: SdkRequest = {
      ...template,
      path: template.path.slice(0, -1) + escaped(name),
      query: {},
      headers: {
        host: template.hostname + port,
        'x-amz-content-sha256': NOTHING,
        ...(range && { range: `bytes=${range.start}-${range.end}` }),
      },
    };
    const { signer, region, now } = await signerOf(this.#client);
    return signer.sign(request, { signingRegion: region, signingService: 's3', signingDate: now });
  }
}

function contentOf({ status, headers }: Head, range: ByteSpan | undefined) {
  const whole = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get('content-range') ?? '');
  const etag = headers.get('etag');
  const length = Number(headers.get('content-length'));
  if (status === 200 && (range === undefined || range.start === 0)) return { size: length, etag };
  if (status !== 206 || range === undefined || Number(whole?.[1]) !== range.start) return undefined;
  return { size: Number(whole?.[3]), etag };
}

function textOf({ path, headers }: SdkRequest): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** As S3 wants names in paths: everything but unreserved characters, segment by segment. */
function escaped(name: string): string {
  const others = (one: string) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`;
  return name
    .split('/')
    .map((segment) => encodeURIComponent(segment).replace(/[!'()*]/g, others))
    .join('/');
}

function inTrouble(status: number): Error {
  const $metadata = { httpStatusCode: status };
  return Object.assign(new Error(`the bucket answered ${status}`), { name: 'Error', $metadata });
}
