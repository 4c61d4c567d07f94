import type { Digest } from '../../domain/oci/digest.ts';
import { isTransferError, TransferError } from '../errors.ts';
import { connectionFault } from '../http/connection-fault.ts';
import { Retries } from '../http/retry.ts';
import { type AnyAnswer, discard } from '../http/wire.ts';
import type { RegistryClient } from './client.ts';
import { pullScope } from './scope.ts';

export interface BlobToRead {
  readonly repository: string;
  readonly digest: Digest;
  /** Bytes, from the manifest. */
  readonly size: number;
  /** The chunks are used again for other bytes once the next is asked for. */
  readonly lent?: boolean;
}

/** What is worth a connection of its own. */
const largeBytes = 131_072;

/** The bytes of a blob from `offset` on. After a cut it goes on where it stopped (`Range`); bytes are not verified here. */
export async function* readBlob(
  client: RegistryClient,
  blob: BlobToRead,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const retries = new Retries(client.retry, signal);
  let at = offset;
  while (at < blob.size) {
    let answer: AnyAnswer | undefined;
    try {
      answer = await open(client, blob, at, signal);
      for await (const chunk of fromOffset(answer, at)) {
        at += chunk.length;
        retries.progressed();
        yield chunk;
      }
      if (at < blob.size)
        throw new TransferError(
          'Interrupted',
          `${client.host}: the blob ${blob.digest} ended after ${at} of ${blob.size} bytes`,
        );
    } catch (error) {
      await retries.after(answer === undefined ? tooShort(error, blob) : connectionFault(error, answer.url));
    } finally {
      answer?.body.destroy();
    }
  }
}

async function open(client: RegistryClient, blob: BlobToRead, at: number, signal: AbortSignal): Promise<AnyAnswer> {
  const request = {
    method: 'GET',
    path: `/v2/${blob.repository}/blobs/${blob.digest}`,
    scopes: [pullScope(blob.repository)],
    what: `read the blob ${blob.digest} of ${blob.repository}`,
    accept: [200, 206],
    headers: { accept: '*/*', ...(at === 0 ? {} : { range: `bytes=${at}-` }) },
    once: true,
    signal,
  } as const;
  if (blob.size - at < largeBytes) return await client.request(request);
  return await client.requestLarge(request, blob.lent === true ? 'lent' : 'owned');
}

/** There is nothing at the place where we stopped: the blob is shorter than it should be, and will stay so. */
function tooShort(error: unknown, { digest, size }: BlobToRead): unknown {
  if (!isTransferError(error) || error.status !== 416) return error;
  const message = `${error.message}: the blob ${digest} there is shorter than its ${size} bytes`;
  return new TransferError('Corrupt', message, { status: 416, cause: error });
}

/** The part of a body from `at` on, whether the server honoured the range or sent everything. */
async function* fromOffset(answer: AnyAnswer, at: number): AsyncGenerator<Buffer> {
  const start = answer.status === 206 ? rangeStart(answer.headers['content-range']) : 0;
  if (start === undefined || start > at) {
    discard(answer);
    throw new TransferError('Invalid', `${answer.url.host}: answered another range than the one from byte ${at}`);
  }
  let skip = at - start;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    if (skip >= chunk.length) {
      skip -= chunk.length;
      continue;
    }
    yield skip === 0 ? chunk : chunk.subarray(skip);
    skip = 0;
  }
}

function rangeStart(header: string | undefined): number | undefined {
  const start = /^bytes (\d{1,16})-\d{1,16}\/(?:\d{1,16}|\*)$/.exec(header ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
}
