import { createHash } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import {
  type _Error,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  type UploadPartCommand,
} from '@aws-sdk/client-s3';
import { StoreError } from '../../metadata/store.ts';
import type { ByteSpan } from '../store.ts';
import { type Attempt, type Patience, persist, usualPatience } from './attempts.ts';
import { authorityOf, type BucketPlace, createClient, namesOf } from './client.ts';
import { CredentialsFolder } from './credentials.ts';
import { type DirectBody, DirectReads } from './direct.ts';
import { DirectWrites } from './direct-writes.ts';
import { bucketError, type Doing, isAbsent, type Named, type Symptom, symptomOf } from './faults.ts';
import { presign } from './presign.ts';
import { Wires } from './wires.ts';

/** Bytes to be sent, as often as it takes. */
export interface Body {
  readonly length: number;
  /** SHA-256 of them in hex, where it is known before they are sent: the store then proves what arrived. */
  readonly sha256?: string | undefined;
  bytes(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

export interface Content {
  /** Size of the whole object, bytes, also where a part of it was asked for. */
  readonly size: number;
  readonly etag: string | undefined;
  readonly body: Readable;
  readonly lent: false;
}

/** Content that need not come as a stream of Node's. */
export interface Pieces extends Omit<Content, 'body' | 'lent'> {
  readonly body: DirectBody;
  /** Each piece is valid until the next is asked for only. */
  readonly lent: boolean;
}

export interface Listed {
  readonly name: string;
  readonly size: number;
  readonly modifiedAt: number;
  readonly etag: string | undefined;
}

/** What a new object is created with. */
export type Creation = Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId' | 'StorageClass'>;

/** Names that one request deletes. */
const BATCH = 1000;

/** The objects of one bucket. Every method retries what passes, and throws StoreError that says what to do. */
export class Bucket {
  readonly name: string;
  readonly client: S3Client;
  readonly #wires: Wires;
  readonly #reads: DirectReads;
  readonly #writes: DirectWrites;
  readonly #credentials: CredentialsFolder | undefined;
  readonly #named: Named;
  readonly #patience: Patience;

  constructor(place: BucketPlace, patience: Patience = usualPatience) {
    const { credentialsDirectory } = place;
    this.name = place.bucket;
    this.#credentials = credentialsDirectory === undefined ? undefined : new CredentialsFolder(credentialsDirectory);
    this.client = createClient(place, this.#credentials);
    this.#wires = new Wires(authorityOf(place));
    this.#reads = new DirectReads(this.client, place.bucket, this.#wires);
    this.#writes = new DirectWrites(this.client, this.#wires);
    this.#named = namesOf(place);
    this.#patience = patience;
  }

  /**
   * Runs one request, again where that may help.
   * @param known answers for errors that are no fault here
   */
  async ask<T>(
    doing: Doing,
    work: (attempt: Attempt) => Promise<T>,
    known: (symptom: Symptom) => T | undefined = () => undefined,
  ): Promise<T> {
    try {
      return await persist(this.#patience, work, () => this.#credentials?.forget());
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const symptom = symptomOf(error);
      const answer = known(symptom);
      if (answer !== undefined) return answer;
      throw bucketError(symptom, doing, this.#named);
    }
  }

  /** Stores an object and returns its ETag. */
  async put(name: string, body: Body, creation: Creation = {}): Promise<string | undefined> {
    const input = { Bucket: this.name, Key: name, ContentLength: body.length, ...creation };
    return this.ask({ permission: 's3:PutObject', object: name }, (attempt) =>
      this.send(attempt, body, (Body) => new PutObjectCommand({ ...input, ...(Body && { Body }) })),
    );
  }

  /**
   * Sends a body, one attempt.
   * @param command makes the request, with the body where the SDK has to send it
   * @returns the ETag
   */
  async send(
    attempt: Attempt,
    body: Body,
    command: (body?: Readable) => PutObjectCommand | UploadPartCommand,
  ): Promise<string | undefined> {
    const stored = await this.#writes.put(command(), body, attempt);
    if (stored !== undefined) return stored.etag;
    return sendBody(attempt, body, async (stream) => {
      const whole = command(stream);
      proveBody(whole, body.sha256);
      return (await this.client.send(whole as PutObjectCommand, { abortSignal: attempt.signal })).ETag;
    });
  }

  /** Stores a small object that is in memory. */
  putBytes(name: string, bytes: Uint8Array, creation: Creation = {}): Promise<string | undefined> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return this.put(name, { length: bytes.byteLength, sha256, bytes: () => [bytes] }, creation);
  }

  /** Opens an object, or a part of it (both ends included); undefined where there is none. */
  async get(name: string, wanted: Wanted = {}): Promise<Content | undefined> {
    return this.#open(name, ({ signal }) => this.#content(name, wanted, signal));
  }

  /** A small object whole; undefined where there is none. What breaks off in the middle, or falls silent, is asked for again. */
  async read(name: string, etag?: string): Promise<Uint8Array[] | undefined> {
    const chunks = await this.ask<Uint8Array[] | null>(
      { permission: 's3:GetObject', object: name },
      async ({ signal, alive }) => {
        const { body } = await this.#content(name, etag === undefined ? {} : { etag }, signal);
        const taken: Uint8Array[] = [];
        for await (const chunk of addAbortSignal(signal, body) as AsyncIterable<Uint8Array>) {
          alive();
          taken.push(chunk);
        }
        return taken;
      },
      absentAsNull,
    );
    return chunks ?? undefined;
  }

  /** The same for whoever takes the bytes piece by piece, and at once: it is several times as cheap. */
  async pieces(name: string, range?: ByteSpan): Promise<Pieces | undefined> {
    return this.#open<Pieces>(name, async ({ signal }) => {
      const direct = await this.#reads.get(name, range, signal);
      return direct ?? { ...(await this.#content(name, range === undefined ? {} : { range }, signal)), lent: false };
    });
  }

  async #open<C extends Content | Pieces>(
    name: string,
    work: (attempt: Attempt) => Promise<C>,
  ): Promise<C | Content | undefined> {
    const content = await this.ask<C | typeof outside | null>(
      { permission: 's3:GetObject', object: name },
      work,
      (symptom) => (symptom.status === 416 ? outside : absentAsNull(symptom)),
    );
    return content === outside ? this.#empty(name) : (content ?? undefined);
  }

  async #content(name: string, { range, etag }: Wanted, abortSignal: AbortSignal): Promise<Content> {
    const input = {
      Bucket: this.name,
      Key: name,
      ...(range && { Range: `bytes=${range.start}-${range.end}` }),
      ...(etag && { IfMatch: etag }),
    };
    const { Body, ContentLength, ContentRange, ETag } = await this.client.send(new GetObjectCommand(input), {
      abortSignal,
    });
    const body = Body as Readable;
    if (range !== undefined && ContentRange === undefined && range.start > 0) {
      body.destroy();
      throw new StoreError('io', `the bucket ${this.name} does not know ranges; it cannot be used`);
    }
    return { size: Number(ContentRange?.split('/')[1] ?? ContentLength), etag: ETag, body, lent: false };
  }

  /** What lies beyond an object's end is nothing; its size says how it is. */
  async #empty(name: string): Promise<Content | undefined> {
    const found = await this.head(name);
    return found && { ...found, body: Readable.from([]), lent: false };
  }

  /** Size and ETag of an object; undefined where there is none. */
  async head(name: string): Promise<{ size: number; etag: string | undefined } | undefined> {
    const input = { Bucket: this.name, Key: name };
    return this.ask<{ size: number; etag: string | undefined } | null>(
      { permission: 's3:GetObject', object: name },
      async ({ signal }) => {
        const { ContentLength, ETag } = await this.client.send(new HeadObjectCommand(input), { abortSignal: signal });
        return { size: ContentLength ?? 0, etag: ETag };
      },
      absentAsNull,
    ).then((found) => found ?? undefined);
  }

  /** Nothing there is success. */
  async remove(name: string): Promise<void> {
    const command = () => new DeleteObjectCommand({ Bucket: this.name, Key: name });
    await this.ask<unknown>(
      { permission: 's3:DeleteObject', object: name },
      ({ signal }) => this.client.send(command(), { abortSignal: signal }),
      absentAsNull,
    );
  }

  async removeAll(names: readonly string[]): Promise<void> {
    if (names.length === 1 && names[0] !== undefined) return this.remove(names[0]);
    for (let at = 0; at < names.length; at += BATCH) await this.#removeBatch(names.slice(at, at + BATCH));
  }

  /** Objects whose name begins with `prefix`, in ASCII order, at most `limit` where given. */
  async *list(prefix: string, limit?: number): AsyncGenerator<Listed> {
    let ContinuationToken: string | undefined;
    do {
      const input = {
        Bucket: this.name,
        Prefix: prefix,
        ...(ContinuationToken !== undefined && { ContinuationToken }),
        ...(limit !== undefined && { MaxKeys: limit }),
      };
      const page = await this.ask({ permission: 's3:ListBucket', object: `${prefix}*` }, ({ signal }) =>
        this.client.send(new ListObjectsV2Command(input), { abortSignal: signal }),
      );
      for (const { Key, Size, LastModified, ETag } of page.Contents ?? []) {
        if (Key === undefined) continue;
        yield { name: Key, size: Size ?? 0, modifiedAt: LastModified?.getTime() ?? 0, etag: ETag };
      }
      ContinuationToken = limit === undefined && page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
  }

  /** A URL under which anybody may read an object for a while. */
  presign(name: string, method: 'GET' | 'HEAD', seconds: number): Promise<string> {
    const input = { Bucket: this.name, Key: name };
    const command = method === 'GET' ? new GetObjectCommand(input) : new HeadObjectCommand(input);
    return this.ask({ permission: 's3:GetObject', object: name }, () => presign(this.client, command, seconds));
  }

  close(): void {
    this.#wires.close();
    this.client.destroy();
  }

  async #removeBatch(names: readonly string[]): Promise<void> {
    const Objects = names.map((Key) => ({ Key }));
    const doing = { permission: 's3:DeleteObject', object: `${names[0]} and ${names.length - 1} more` };
    const outcome = await this.ask<'unsupported' | { Errors: _Error[] }>(
      doing,
      async ({ signal }) => {
        const command = new DeleteObjectsCommand({ Bucket: this.name, Delete: { Objects, Quiet: true } });
        const { Errors = [] } = await this.client.send(command, { abortSignal: signal });
        return { Errors };
      },
      ({ code, status }) => (code === 'NotImplemented' || status === 501 ? 'unsupported' : undefined),
    );
    if (outcome === 'unsupported') {
      for (const name of names) await this.remove(name);
      return;
    }
    const failed = outcome.Errors.find(({ Code }) => Code !== 'NoSuchKey');
    if (failed === undefined) return;
    const symptom = { code: failed.Code ?? 'no code', status: 200, message: failed.Message ?? '', region: undefined };
    throw bucketError(symptom, { permission: 's3:DeleteObject', object: failed.Key ?? '' }, this.#named);
  }
}

const outside: Content = { size: -1, etag: undefined, body: Readable.from([]), lent: false };

interface Wanted {
  readonly range?: ByteSpan;
  readonly etag?: string | undefined;
}

function absentAsNull(symptom: Symptom): null | undefined {
  return isAbsent(symptom) ? null : undefined;
}

interface Provable {
  readonly middlewareStack: {
    add(
      middleware: (
        next: (args: { request: unknown }) => Promise<never>,
      ) => (args: { request: unknown }) => Promise<never>,
      options: { step: 'build'; name: string },
    ): void;
  };
}

/** Signs what the body has to be: a store that got other bytes refuses them. */
function proveBody(command: object, sha256: string | undefined): void {
  if (sha256 === undefined) return;
  (command as Provable).middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
      return next(args);
    },
    { step: 'build', name: 'provenBody' },
  );
}

/** Sends a body from its start; a source that fails ends the attempt. */
async function sendBody<T>(attempt: Attempt, body: Body, send: (stream: Readable) => Promise<T>): Promise<T> {
  const stream = Readable.from(watched(body.bytes(), attempt), { objectMode: false, highWaterMark: 64 * 1024 });
  stream.on('error', (error) => attempt.fail(error));
  try {
    return await send(stream);
  } finally {
    stream.destroy();
  }
}

async function* watched(bytes: ReturnType<Body['bytes']>, { alive }: Attempt): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    alive();
    yield chunk;
  }
}
