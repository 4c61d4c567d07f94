import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ByteSpan } from '../store.ts';
import { built, hostOf, type SdkRequest, signerOf } from './presign.ts';
import type { Head } from './wire.ts';
import { escaped, inTrouble, type Wires } from './wires.ts';

/** SHA-256 of no bytes: the payload of a GET. */
const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

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
  readonly #wires: Wires;
  #template: Promise<SdkRequest> | undefined;

  constructor(client: S3Client, bucket: string, wires: Wires) {
    this.#client = client;
    this.#bucket = bucket;
    this.#wires = wires;
  }

  /** Undefined where the SDK has to look; rejects as a connection does, or with the status of a store in trouble. */
  async get(name: string, range: ByteSpan | undefined, signal: AbortSignal): Promise<DirectContent | undefined> {
    const request = await this.#signed(name, range);
    const { wire, head } = await this.#wires.ask({ ...request, method: 'GET' }, signal);
    if (head === undefined) return undefined;
    const content = contentOf(head, range);
    if (content === undefined) {
      wire.destroy();
      if (head.status >= 500) throw inTrouble(head.status);
      return undefined;
    }
    const pieces = wire.body();
    // An answer that was taken whole has given its connection back.
    const destroy = (error?: Error) => wire.drop(pieces, error);
    return { ...content, body: { [Symbol.asyncIterator]: () => pieces, destroy }, lent: true };
  }

  async #signed(name: string, range: ByteSpan | undefined): Promise<SdkRequest> {
    this.#template ??= built(this.#client, new GetObjectCommand({ Bucket: this.#bucket, Key: 'x' }));
    const template = await this.#template.catch((error: unknown) => {
      this.#template = undefined;
      throw error;
    });
    const request: SdkRequest = {
      ...template,
      path: template.path.slice(0, -1) + escaped(name),
      query: {},
      headers: {
        host: hostOf(template),
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
