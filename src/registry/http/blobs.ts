import { Refusal } from '../../domain/errors.ts';
import type { Digest } from '../../domain/oci/digest.ts';
import type { BlobRow } from '../metadata/store.ts';
import type { BlobReader, ByteSpan } from '../storage/store.ts';
import type { Rooms } from './api.ts';
import { type Exchange, reply } from './exchange.ts';
import { matches } from './manifests.ts';
import { type ByteRange, parseRange } from './range.ts';

interface Target {
  readonly repository: string;
  readonly digest: Digest;
}

/** `GET` and `HEAD /v2/<name>/blobs/<digest>`, whole or one range of it (distribution-spec v1.1 §"Pulling blobs"). */
export async function getBlob(rooms: Rooms, exchange: Exchange, target: Target): Promise<void> {
  const { identity, caller, request } = exchange;
  rooms.gate.authorize(identity, 'Pull', target.repository, caller);
  const row = await rooms.metadata.blob(target.repository, target.digest);
  if (row === undefined) throw unknownBlob(target);
  const headers = validators(row);
  const { 'if-none-match': known } = request.headers;
  if (known !== undefined && matches(known, row.digest)) return reply(exchange, 304, headers);

  const range = wantedRange(exchange, row, headers.etag);
  if (range === 'unsatisfiable') {
    throw new Refusal('BLOB_UPLOAD_INVALID', `the range is outside the blob, which has ${row.size} bytes`, {
      status: 416,
      headers: { 'content-range': `bytes */${row.size}` },
    });
  }
  if (request.method === 'HEAD') await vouch(rooms, target, row);
  const answer = { ...headers, ...rangeHeaders(row, range), ...nosniff };
  const status = range === undefined ? 200 : 206;
  if (request.method === 'HEAD') return reply(exchange, status, answer);
  await sendBytes(rooms, exchange, { target, row }, { status, headers: answer, range });
}

/** A push that follows a HEAD relies on what that said: the bytes must be there, and stay for that long. */
async function vouch(rooms: Rooms, target: Target, row: BlobRow): Promise<void> {
  const reader = await openWhole(rooms, { target, row });
  await reader.close();
  if (!(await rooms.metadata.renewLease([row.digest], rooms.now()))) throw unknownBlob(target);
}

/** `DELETE /v2/<name>/blobs/<digest>`: hidden in this repository at once; the bytes go when nothing refers to them. */
export async function deleteBlob(rooms: Rooms, exchange: Exchange, target: Target): Promise<void> {
  rooms.gate.authorize(exchange.identity, 'DeleteManifest', target.repository, exchange.caller);
  const outcome = await rooms.metadata.deleteBlob(target.repository, target.digest, rooms.now());
  if (outcome === 'unknown') throw unknownBlob(target);
  if (outcome === 'referenced') {
    throw new Refusal('UNSUPPORTED', 'a manifest in this repository needs the blob; delete that manifest first', {
      status: 405,
    });
  }
  reply(exchange, 202, {});
}

function wantedRange({ request }: Exchange, row: BlobRow, etag: string): ByteRange | 'unsatisfiable' | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  // RFC 9110 §14.2: a range means something for GET alone, and with If-Range for the same content.
  if (request.method === 'HEAD' || (ifRange !== undefined && ifRange !== etag)) return undefined;
  return parseRange(range, row.size);
}

/** Of an answer with the whole blob. */
export function blobHeaders(row: BlobRow): Record<string, string | number> {
  return { ...validators(row), ...rangeHeaders(row, undefined), ...nosniff };
}

const nosniff = { 'x-content-type-options': 'nosniff' };

function validators({ digest }: BlobRow) {
  return { 'docker-content-digest': digest, etag: `"${digest}"`, 'accept-ranges': 'bytes' };
}

function rangeHeaders(row: BlobRow, range: ByteRange | undefined): Record<string, string | number> {
  const type = { 'content-type': 'application/octet-stream' };
  if (range === undefined) return { ...type, 'content-length': row.size };
  const length = range.end - range.start + 1;
  return { ...type, 'content-length': length, 'content-range': `bytes ${range.start}-${range.end}/${row.size}` };
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | number>;
  readonly range: ByteRange | undefined;
}

async function sendBytes(
  rooms: Rooms,
  exchange: Exchange,
  { target, row }: { target: Target; row: BlobRow },
  answer: Answer,
): Promise<void> {
  const { start, end } = answer.range ?? { start: 0, end: row.size - 1 };
  const reader = await openWhole(rooms, { target, row, wanted: { start, end } });
  try {
    if (reader.location !== undefined) return redirect(exchange, row, await reader.location('GET'));
    exchange.response.writeHead(answer.status, answer.headers);
    if (end >= start) await reader.send(exchange.response, start, end, exchange.caller.address);
    exchange.response.end();
  } finally {
    await reader.close();
  }
}

/**
 * The client fetches the bytes from the store itself, whole or the range that it asked for; its credentials for this registry
 * stay here. HEAD is never redirected: nothing is to be fetched, and the answer here has every header.
 */
function redirect(exchange: Exchange, { digest }: BlobRow, location: string): void {
  reply(exchange, 307, { location, 'docker-content-digest': digest, 'cache-control': 'no-store' });
}

/** Bytes that are missing or of the wrong length are taken out of service: a HEAD then says 404, and a push heals them. */
async function openWhole(
  rooms: Rooms,
  { target, row, wanted }: { target: Target; row: BlobRow; wanted?: ByteSpan },
): Promise<BlobReader> {
  const reader = await rooms.blobs.open(row.key, wanted);
  if (reader !== undefined && reader.size === row.size) return reader;
  await reader?.close();
  const present = await rooms.metadata.blob(target.repository, target.digest);
  // Reclaimed or deleted since the row was read.
  if (present === undefined) throw unknownBlob(target);
  // Pushed again since the row was read: its bytes are under another key now.
  if (present.key !== row.key) {
    return openWhole(rooms, { target, row: present, ...(wanted && { wanted }) });
  }
  const why = reader === undefined ? 'missing' : `${reader.size} bytes long instead of ${row.size}`;
  rooms.log.error({ digest: row.digest, key: row.key }, `stored blob is ${why}; quarantined, push it again to heal`);
  await rooms.metadata.quarantineBlob(row.digest, row.key, why, rooms.now());
  throw new Refusal('BLOB_UNKNOWN', 'the stored bytes were damaged and are out of service; push the blob again');
}

function unknownBlob({ repository, digest }: Target): Refusal {
  return new Refusal('BLOB_UNKNOWN', `there is no blob ${digest} in ${repository}`);
}
