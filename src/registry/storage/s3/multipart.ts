import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandInput,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type ListPartsCommandInput,
  type ListPartsCommandOutput,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Body, Bucket, Creation } from './bucket.ts';
import { isNoUpload, type Symptom } from './faults.ts';

export interface Part {
  readonly number: number;
  readonly etag: string;
  readonly size: number;
  readonly modifiedAt: number;
}

/** A multipart upload that the store knows of. */
export interface Ongoing {
  readonly name: string;
  readonly id: string;
  readonly initiatedAt: number;
}

/** Multipart uploads of a bucket. `undefined` where the store has no such upload (any more). */
export class Multipart {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  async create(name: string, creation: Creation): Promise<string> {
    const input = { Bucket: this.#bucket.name, Key: name, ...creation };
    const { UploadId } = await this.#bucket.ask({ permission: 's3:PutObject', object: name }, ({ signal }) =>
      this.#bucket.client.send(new CreateMultipartUploadCommand(input), { abortSignal: signal }),
    );
    if (UploadId === undefined) throw new Error(`the store began a multipart upload of ${name} without an id`);
    return UploadId;
  }

  async upload(target: { name: string; id: string; number: number }, body: Body): Promise<Part | undefined> {
    const { name, id, number } = target;
    const input = {
      Bucket: this.#bucket.name,
      Key: name,
      UploadId: id,
      PartNumber: number,
      ContentLength: body.length,
    };
    const etag = await this.#bucket.ask<string | null>(
      { permission: 's3:PutObject', object: `${name} part ${number}` },
      async (attempt) => {
        const command = (Body?: Readable) => new UploadPartCommand({ ...input, ...(Body && { Body }) });
        return (await this.#bucket.send(attempt, body, command)) ?? '';
      },
      unknownAsNull,
    );
    return etag === null ? undefined : { number, etag, size: body.length, modifiedAt: Date.now() };
  }

  /** Makes the parts one object. The ETags say which bytes are meant: parts that somebody else replaced are refused. */
  async complete({ name, id }: { name: string; id: string }, parts: readonly Part[]): Promise<true | undefined> {
    const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }));
    const input = { Bucket: this.#bucket.name, Key: name, UploadId: id, MultipartUpload: { Parts } };
    const done = await this.#bucket.ask<true | null>(
      { permission: 's3:PutObject', object: name },
      async ({ signal }) => {
        await this.#bucket.client.send(new CompleteMultipartUploadCommand(input), { abortSignal: signal });
        return true;
      },
      unknownAsNull,
    );
    return done ?? undefined;
  }

  async abort({ name, id }: { name: string; id: string }): Promise<void> {
    const input = { Bucket: this.#bucket.name, Key: name, UploadId: id };
    await this.#bucket.ask<unknown>(
      { permission: 's3:AbortMultipartUpload', object: name },
      ({ signal }) => this.#bucket.client.send(new AbortMultipartUploadCommand(input), { abortSignal: signal }),
      unknownAsNull,
    );
  }

  /** Every part in order. */
  async parts({ name, id }: { name: string; id: string }): Promise<Part[] | undefined> {
    const found: Part[] = [];
    let PartNumberMarker: string | undefined;
    do {
      const more = PartNumberMarker === undefined ? {} : { PartNumberMarker };
      const input = { Bucket: this.#bucket.name, Key: name, UploadId: id, ...more };
      const page = await this.#bucket.ask<ListPartsCommandOutput | null>(
        { permission: 's3:ListMultipartUploadParts', object: name },
        ({ signal }) => this.#listParts(input, signal),
        unknownAsNull,
      );
      if (page === null) return undefined;
      for (const { PartNumber, ETag, Size, LastModified } of page.Parts ?? []) {
        const modifiedAt = LastModified?.getTime() ?? 0;
        found.push({ number: PartNumber ?? 0, etag: ETag ?? '', size: Size ?? 0, modifiedAt });
      }
      PartNumberMarker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (PartNumberMarker !== undefined);
    return found;
  }

  /** Multipart uploads under way whose object's name begins with `prefix`. */
  async *ongoing(prefix: string): AsyncGenerator<Ongoing> {
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const input: ListMultipartUploadsCommandInput = { Bucket: this.#bucket.name, Prefix: prefix, ...marker };
      const page: ListMultipartUploadsCommandOutput = await this.#bucket.ask(
        { permission: 's3:ListBucketMultipartUploads', object: `${prefix}*` },
        ({ signal }) => this.#bucket.client.send(new ListMultipartUploadsCommand(input), { abortSignal: signal }),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined) continue;
        yield { name: Key, id: UploadId, initiatedAt: Initiated?.getTime() ?? 0 };
      }
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
      marker =
        IsTruncated && NextKeyMarker !== undefined
          ? { KeyMarker: NextKeyMarker, ...(NextUploadIdMarker && { UploadIdMarker: NextUploadIdMarker }) }
          : undefined;
    }
  }

  #listParts(input: ListPartsCommandInput, signal: AbortSignal): Promise<ListPartsCommandOutput> {
    return this.#bucket.client.send(new ListPartsCommand(input), { abortSignal: signal });
  }
}

function unknownAsNull(symptom: Symptom): null | undefined {
  return isNoUpload(symptom) ? null : undefined;
}
