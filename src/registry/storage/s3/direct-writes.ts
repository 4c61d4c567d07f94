import type { PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import type { Attempt } from './attempts.ts';
import type { Body } from './bucket.ts';
import { built, hostOf, type SdkRequest, signerOf } from './presign.ts';
import { Slots } from './slots.ts';
import { inTrouble, type Wires } from './wires.ts';

/** Bodies on their way at once. */
const MOST = 48;
/** What passes: the same request may be sent again as it is. */
const PASSING = new Set([500, 502, 503, 504]);
/** Such as say what the object is to be, and nothing about who asks. */
const OBJECT_HEADERS = /^(?:content-type|x-amz-(?!user-agent|content-sha256|date|security-token).*)$/;

export interface Stored {
  readonly etag: string | undefined;
}

/**
 * Sends bodies over connections of its own, as `DirectReads` fetches them: the SDK builds the request and signs it; every chunk
 * then goes from memory to the kernel, without the three streams that the SDK and Node's client would lead it through.
 * Whatever is not a plain 200 is left to the SDK, which sends it once more and knows what the answer means.
 */
export class DirectWrites {
  readonly #client: S3Client;
  readonly #wires: Wires;
  readonly #slots = new Slots(MOST);

  constructor(client: S3Client, wires: Wires) {
    this.#client = client;
    this.#wires = wires;
  }

  /**
   * @param command without its body
   * @returns undefined where the SDK has to do it; rejects as a connection or the body does, or with the status of a store in trouble
   */
  async put(command: PutObjectCommand | UploadPartCommand, body: Body, attempt: Attempt): Promise<Stored | undefined> {
    await this.#slots.take();
    try {
      attempt.signal.throwIfAborted();
      const request = await this.#signed(command, body);
      const { wire, head } = await this.#wires.ask({ ...request, method: 'PUT' }, attempt.signal, {
        bytes: () => body.bytes(),
        moved: () => attempt.alive(),
      });
      if (head?.status === 200) {
        await wire.rest(attempt.signal);
        return { etag: head.headers.get('etag') };
      }
      wire.destroy();
      if (head !== undefined && PASSING.has(head.status)) throw inTrouble(head.status);
      return undefined;
    } finally {
      this.#slots.give();
    }
  }

  async #signed(command: PutObjectCommand | UploadPartCommand, body: Body): Promise<SdkRequest> {
    const request = await built(this.#client, command);
    const kept = Object.entries(request.headers).filter(([name]) => OBJECT_HEADERS.test(name.toLowerCase()));
    const headers = {
      ...Object.fromEntries(kept),
      host: hostOf(request),
      'content-length': String(body.length),
      // Over TLS nobody changes them on the way, and hashing once more would only repeat that.
      'x-amz-content-sha256': body.sha256 ?? 'UNSIGNED-PAYLOAD',
    };
    const { signer, region, now } = await signerOf(this.#client);
    return signer.sign({ ...request, headers }, { signingRegion: region, signingService: 's3', signingDate: now });
  }
}
