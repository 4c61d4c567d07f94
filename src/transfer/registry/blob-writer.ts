import type { Digest } from '../../domain/oci/digest.ts';
import { DigestCheck } from '../digest-check.ts';
import { isTransferError, TransferError, type TransferFault } from '../errors.ts';
import { Retries } from '../http/retry.ts';
import { type Answer, discard } from '../http/wire.ts';
import type { RegistryClient, RegistryRequest } from './client.ts';
import { pullScope, pushScope } from './scope.ts';

export interface BlobToWrite {
  readonly repository: string;
  readonly digest: Digest;
  readonly size: number;
  /** A repository of the same registry that has the blob: it is mounted from there where the registry can. */
  readonly mountFrom?: string;
  /** Its bytes from any offset on; after a cut it is asked again. */
  readonly open: (offset: number) => AsyncIterable<Buffer>;
  /** Where they come from, for messages. */
  readonly from?: string;
  /** Told how many bytes are on their way or arrived, counted from the start. */
  readonly onBytes?: (done: number) => void;
}

interface Session {
  readonly url: URL;
  readonly offset: number;
}

/** Sent with the first request, where the registry may take it: no more is lost where it does not than a question costs. */
export const tinyBytes = 16_384;
/** Up to here one request carries the whole blob; larger ones are streamed with PATCH, which can be resumed. */
const wholeBytes = 1_048_576;
/** The chunk for servers (or proxies) that answer 413 to a whole stream. */
const smallChunk = 8 * 1_048_576;

interface Post {
  readonly query: string;
  readonly scopes: string[];
  readonly once: boolean;
  readonly more?: Pick<RegistryRequest, 'headers' | 'body'>;
}

/** How a server says that it knows no such request. */
const unknownThere: ReadonlySet<number> = new Set([400, 405, 411, 415, 501]);

/** How registries say that they will not mount: the blob is sent then. */
const unmountable: ReadonlySet<TransferFault> = new Set(['Unauthorized', 'Denied', 'NotFound', 'Refused']);

/** Whether the repository has the blob. */
export async function hasBlob(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await client.request({
    method: 'HEAD',
    path: `/v2/${repository}/blobs/${digest}`,
    scopes: [pushScope(repository)],
    what: `look for the blob ${digest} in ${repository}`,
    accept: [200, 404],
    signal,
  });
  discard(answer);
  return answer.status === 200;
}

/**
 * Uploads a blob, or mounts it. Its digest is verified here while it streams, and by the registry at the end. A cut
 * upload goes on at the offset that the registry reports, or from the start where it forgot the session.
 */
export async function writeBlob(
  client: RegistryClient,
  blob: BlobToWrite,
  signal: AbortSignal,
): Promise<'copied' | 'mounted'> {
  return await new Upload(client, blob, signal).run();
}

class Upload {
  readonly #client: RegistryClient;
  readonly #blob: BlobToWrite;
  readonly #signal: AbortSignal;
  readonly #check: DigestCheck;
  readonly #retries: Retries;
  #chunkBytes: number | undefined;
  #session: Session | undefined;
  #triedAtOnce = false;
  #furthest = 0;

  constructor(client: RegistryClient, blob: BlobToWrite, signal: AbortSignal) {
    this.#client = client;
    this.#blob = blob;
    this.#signal = signal;
    this.#check = new DigestCheck(blob, blob.from ?? client.host);
    this.#retries = new Retries(client.retry, signal);
    this.#chunkBytes = client.options.chunkBytes;
  }

  async run(): Promise<'copied' | 'mounted'> {
    if (this.#blob.mountFrom !== undefined && (await this.#mount(this.#blob.mountFrom))) return 'mounted';
    try {
      await this.#upload();
      return 'copied';
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  async #upload(): Promise<void> {
    for (;;) {
      try {
        if (this.#mayGoAtOnce() && (await this.#sendAtOnce())) return;
        this.#session ??= await this.#begin();
        await this.#send();
        return;
      } catch (error) {
        await this.#retries.after(this.#judge(error));
        if (await this.#recover()) return;
      }
    }
  }

  /** 201 when the registry linked the blob; a session to upload into when it did not. */
  async #mount(from: string): Promise<boolean> {
    const query = new URLSearchParams({ mount: this.#blob.digest, from });
    const scopes = [pushScope(this.#blob.repository), pullScope(from)];
    const answer = await this.#post({ query: `?${query}`, scopes, once: false }).catch((error) => {
      if (isTransferError(error) && unmountable.has(error.fault)) return undefined;
      throw error;
    });
    if (answer === undefined) return false;
    if (answer.status === 201) return true;
    this.#session = { url: await this.#locationOf(answer), offset: 0 };
    return false;
  }

  #mayGoAtOnce(): boolean {
    const { size } = this.#blob;
    if (this.#triedAtOnce || this.#session !== undefined || size === 0) return false;
    const known = this.#client.hosts.takesAtOnce(this.#client.host);
    return known === true ? size <= wholeBytes : known === undefined && size <= tinyBytes;
  }

  /** The blob with the request that begins its upload. False where the registry wants it in a session. */
  async #sendAtOnce(): Promise<boolean> {
    this.#triedAtOnce = true;
    const { host, hosts } = this.#client;
    const { size, digest, repository } = this.#blob;
    const query = `?${new URLSearchParams({ digest })}`;
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
    const more = { headers, body: this.#bytes(0, size) };
    const answer = await this.#post({ query, scopes: [pushScope(repository)], once: true, more }).catch((error) => {
      if (isTransferError(error, 'Refused') && unknownThere.has(error.status ?? 0)) return undefined;
      throw error;
    });
    hosts.noteAtOnce(host, answer?.status === 201);
    if (answer?.status === 201) this.#judgeStored(answer);
    else if (answer !== undefined) this.#session = { url: await this.#locationOf(answer), offset: 0 };
    return answer?.status === 201;
  }

  async #begin(): Promise<Session> {
    const answer = await this.#post({ query: '', scopes: [pushScope(this.#blob.repository)], once: true });
    return { url: await this.#locationOf(answer), offset: 0 };
  }

  async #post({ query, scopes, once, more }: Post): Promise<Answer> {
    const answer = await this.#client.request({
      method: 'POST',
      path: `/v2/${this.#blob.repository}/blobs/uploads/${query}`,
      scopes,
      what: `start an upload into ${this.#blob.repository}`,
      accept: [201, 202],
      once,
      signal: this.#signal,
      ...more,
    });
    discard(answer);
    return answer;
  }

  async #send(): Promise<void> {
    const { size } = this.#blob;
    if (size <= wholeBytes && this.#session?.offset === 0) return await this.#close(this.#bytes(0, size), size);
    while ((this.#session as Session).offset < size) await this.#patch(this.#session as Session);
    await this.#close(undefined, 0);
  }

  async #patch(session: Session): Promise<void> {
    const end = Math.min(this.#blob.size, session.offset + (this.#chunkBytes ?? this.#blob.size));
    const partial = session.offset > 0 || end < this.#blob.size;
    const answer = await this.#client.request({
      method: 'PATCH',
      path: session.url,
      scopes: [pushScope(this.#blob.repository)],
      what: `upload the blob ${this.#blob.digest} to ${this.#blob.repository}`,
      accept: [202],
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(end - session.offset),
        ...(partial ? { 'content-range': `${session.offset}-${end - 1}` } : {}),
      },
      body: this.#bytes(session.offset, end),
      signal: this.#signal,
    });
    discard(answer);
    this.#reached(end);
    this.#session = { url: await this.#locationOf(answer, session.url), offset: end };
  }

  /** Only what was never reached before is progress: a registry that loses the upload each time is given up at last. */
  #reached(offset: number): void {
    if (offset <= this.#furthest) return;
    this.#furthest = offset;
    this.#retries.progressed();
  }

  async #close(body: AsyncIterable<Buffer> | undefined, length: number): Promise<void> {
    const url = new URL((this.#session as Session).url);
    url.searchParams.set('digest', this.#blob.digest);
    const answer = await this.#client.request({
      method: 'PUT',
      path: url,
      scopes: [pushScope(this.#blob.repository)],
      what: `finish the blob ${this.#blob.digest} in ${this.#blob.repository}`,
      accept: [201, 204],
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(length) },
      once: true,
      signal: this.#signal,
      ...(body === undefined ? {} : { body }),
    });
    discard(answer);
    this.#session = undefined;
    this.#judgeStored(answer);
  }

  #judgeStored(answer: Answer): void {
    const stored = answer.headers['docker-content-digest'];
    if (
      stored !== undefined &&
      stored !== this.#blob.digest &&
      String(stored).startsWith(this.#blob.digest.slice(0, 7))
    ) {
      throw new TransferError('Corrupt', `${this.#client.host}: stored the blob ${this.#blob.digest} as another one`);
    }
  }

  #bytes(offset: number, end: number): AsyncGenerator<Buffer> {
    const { onBytes } = this.#blob;
    const chunks = this.#check.passing(this.#blob.open(offset), offset);
    return upTo(chunks, offset, end, onBytes);
  }

  /** 416 says that we and the registry disagree on the offset, 413 that the body was too long: both can go on. */
  #judge(error: unknown): unknown {
    // The source has tried again itself.
    if (isTransferError(error) && error.side === 'source') throw error;
    const passing = (why: TransferError) =>
      new TransferError('Interrupted', why.message, { status: why.status ?? 0, codes: why.codes, cause: why });
    // The upload is gone, or belongs to whom we were before we signed in: another one is begun.
    if (isTransferError(error, 'NotFound') && this.#session !== undefined) return passing(error);
    if (!isTransferError(error, 'Refused')) return error;
    if (error.status === 416) return passing(error);
    if (error.status === 413 && this.#chunkBytes === undefined && this.#blob.size > smallChunk) {
      this.#chunkBytes = smallChunk;
      return passing(error);
    }
    if (error.codes.includes('DIGEST_INVALID'))
      return new TransferError('Corrupt', error.message, { status: error.status ?? 0, cause: error });
    return error;
  }

  /** Finds out where to go on. True when the blob turns out to be there: only the answer was lost. */
  async #recover(): Promise<boolean> {
    const session = this.#session;
    if (session === undefined)
      return await hasBlob(this.#client, this.#blob.repository, this.#blob.digest, this.#signal);
    this.#session = await this.#statusOf(session).catch((error) => {
      if (isTransferError(error, 'Cancelled')) throw error;
      return undefined;
    });
    if (this.#session !== undefined) {
      this.#reached(this.#session.offset);
      return false;
    }
    return await hasBlob(this.#client, this.#blob.repository, this.#blob.digest, this.#signal);
  }

  async #statusOf(session: Session): Promise<Session | undefined> {
    const answer = await this.#client.request({
      method: 'GET',
      path: session.url,
      scopes: [pushScope(this.#blob.repository)],
      what: `ask for the state of an upload into ${this.#blob.repository}`,
      accept: [204],
      signal: this.#signal,
    });
    discard(answer);
    const last = /^(?:bytes=)?0-(\d{1,16})$/.exec(String(answer.headers.range ?? ''))?.[1];
    const offset = last === undefined ? 0 : Number(last) + 1;
    // `0-0` is one byte to some registries and none to others; either way little is lost by starting again.
    if (offset <= 1 || offset > this.#blob.size) return undefined;
    return { url: await this.#locationOf(answer, session.url), offset };
  }

  async #locationOf(answer: Answer, otherwise?: URL): Promise<URL> {
    const location = answer.headers.location;
    if (location !== undefined) return await this.#client.locate(location, this.#signal);
    if (otherwise !== undefined) return otherwise;
    throw new TransferError('Invalid', `${this.#client.host}: started an upload without saying where (no Location)`);
  }

  /** Tells the registry that the rest will not come. It expires what it is not told about, so failing here is fine. */
  async #abandon(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    const signal = AbortSignal.timeout(700);
    const request = {
      method: 'DELETE',
      path: session.url,
      scopes: [pushScope(this.#blob.repository)],
      what: 'cancel an upload',
    } as const;
    await this.#client.request({ ...request, accept: [200, 202, 204, 404], signal }).then(discard, () => {});
  }
}

/** The chunks of `[offset, end)`, counted as they are taken. */
async function* upTo(
  chunks: AsyncGenerator<Buffer>,
  offset: number,
  end: number,
  onBytes?: (done: number) => void,
): AsyncGenerator<Buffer> {
  let at = offset;
  for await (const chunk of chunks) {
    const taken = at + chunk.length > end ? chunk.subarray(0, end - at) : chunk;
    at += taken.length;
    onBytes?.(at);
    yield taken;
    if (at >= end) return;
  }
}
