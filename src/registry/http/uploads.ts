import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../domain/errors.ts';
import type { Digest } from '../../domain/oci/digest.ts';
import { isRepositoryName } from '../../domain/oci/reference.ts';
import { type NewBlob, StoreError, type UploadRow } from '../metadata/store.ts';
import type { Rooms } from './api.ts';
import { chunkBody } from './chunk.ts';
import { type Exchange, reply } from './exchange.ts';
import { digestQuery } from './query.ts';
import { parseChunkRange } from './range.ts';
import { type Hold, holding } from './upload-hold.ts';

interface Session {
  readonly repository: string;
  readonly id: string;
}

/** Repositories that are tried for a mount that names none; each costs one decision. */
const mountCandidates = 100;

/** `POST /v2/<name>/blobs/uploads/`: begins an upload, mounts a blob, or takes it whole (end-4a, end-4b, end-11). */
export async function beginUpload(rooms: Rooms, exchange: Exchange, repository: string): Promise<void> {
  const { identity, caller, query } = exchange;
  rooms.gate.authorize(identity, 'PushBlob', repository, caller);
  const mount = digestQuery(query, 'mount');
  if (mount !== undefined && (await mounted(rooms, exchange, repository, mount))) {
    return replyStored(exchange, repository, mount);
  }
  const digest = digestQuery(query, 'digest');
  refuseUnknownAlgorithm(query);
  const session = { repository, id: randomUUID() };
  const alone = digest !== undefined && mount === undefined && hasBody(exchange.request);
  await rooms.blobs.begin(session.id, { alone });
  await named(rooms, { ...session, owner: identity.name, startedAt: rooms.now() });
  if (alone) {
    return storeWhole(rooms, exchange, session, digest);
  }
  replyProgress(exchange, 202, session, 0);
}

async function named({ metadata, blobs }: Rooms, upload: UploadRow): Promise<void> {
  try {
    await metadata.createUpload(upload);
  } catch (error) {
    await blobs.cancel(upload.id);
    throw error;
  }
}

/** `PATCH` on an upload: one chunk, or a stream (end-5). */
export async function appendChunk(rooms: Rooms, exchange: Exchange, session: Session): Promise<void> {
  await ownUpload(rooms, exchange, session);
  const size = await holding(rooms, session.id, (hold) => append(rooms, exchange, session, hold));
  replyProgress(exchange, 202, session, size);
}

/** `PUT` on an upload with the digest of the whole; the body may hold the last chunk (end-6). */
export async function finishUpload(rooms: Rooms, exchange: Exchange, session: Session): Promise<void> {
  await ownUpload(rooms, exchange, session);
  const digest = digestQuery(exchange.query, 'digest');
  if (digest === undefined) {
    throw new Refusal('DIGEST_INVALID', 'closing an upload needs the query parameter digest=sha256:…');
  }
  await holding(rooms, session.id, async (hold) => {
    if (hasBody(exchange.request)) await append(rooms, exchange, session, { ...hold, closing: true });
    await store(rooms, session, digest, hold);
  });
  replyStored(exchange, session.repository, digest);
}

/** `GET` on an upload: how far it is (end-13). */
export async function uploadProgress(rooms: Rooms, exchange: Exchange, session: Session): Promise<void> {
  await ownUpload(rooms, exchange, session);
  const size = await rooms.blobs.progress(session.id);
  if (size === undefined) throw unknownUpload();
  replyProgress(exchange, 204, session, size);
}

/** `DELETE` on an upload (end-14). */
export async function cancelUpload(rooms: Rooms, exchange: Exchange, session: Session): Promise<void> {
  await ownUpload(rooms, exchange, session);
  await rooms.blobs.cancel(session.id);
  await rooms.metadata.deleteUpload(session.id);
  reply(exchange, 204, {});
}

/**
 * A blob may be mounted from where the caller may read: without that check a digest would be a key to any repository. A
 * token that covers the target alone is challenged for the source as well, as Docker's registry does.
 */
async function mounted(rooms: Rooms, exchange: Exchange, repository: string, digest: Digest): Promise<boolean> {
  const { identity, query, caller } = exchange;
  if (!rooms.gate.allows(identity, 'Mount', repository)) return false;
  const from = query.get('from');
  if (from !== null && !isRepositoryName(from)) throw new Refusal('NAME_INVALID', 'from is not a repository name');
  const sources = from === null ? await rooms.metadata.repositoriesWithBlob(digest, mountCandidates) : [from];
  const readable = sources.find((name) => rooms.gate.allows(identity, 'Pull', name));
  if (readable === undefined) {
    const source = sources[0];
    if (source !== undefined) rooms.gate.authorizeMount(identity, { source, repository }, caller);
    return false;
  }
  return rooms.metadata.mountBlob({ repository, from: readable, digest, now: rooms.now() });
}

/** Another user's upload does not exist, whoever knows its UUID (CVE-2026-32589). */
async function ownUpload(rooms: Rooms, exchange: Exchange, session: Session): Promise<UploadRow> {
  const { identity, caller } = exchange;
  rooms.gate.authorize(identity, 'PushBlob', session.repository, caller);
  const row = await rooms.metadata.upload(session.id);
  if (row === undefined || row.repository !== session.repository || row.owner !== identity.name) throw unknownUpload();
  return row;
}

async function storeWhole(rooms: Rooms, exchange: Exchange, session: Session, digest: Digest): Promise<void> {
  try {
    await append(rooms, exchange, session, { closing: true });
    await store(rooms, session, digest, {});
  } catch (error) {
    // The client was never told of this session, so nobody could resume or cancel it.
    await rooms.blobs.cancel(session.id);
    await rooms.metadata.deleteUpload(session.id);
    throw error;
  }
  replyStored(exchange, session.repository, digest);
}

async function append(
  rooms: Rooms,
  exchange: Exchange,
  { id }: Session,
  hold: Hold & { closing?: boolean },
): Promise<number> {
  const { request } = exchange;
  const present = await rooms.blobs.progress(id);
  if (present === undefined) throw unknownUpload();
  const offset = chunkOffset(request, present, exchange);
  const { uploadBytes } = rooms.settings().limits;
  const limit = uploadBytes > 0 ? { maxBytes: uploadBytes } : {};
  const { size } = await rooms.blobs.append(id, chunkBody(request), { offset, ownsChunks: true, ...limit, ...hold });
  return size;
}

/** The chunk must continue where the upload is; one that says it does not is out of order (416). */
function chunkOffset(request: IncomingMessage, present: number, { response }: Exchange): number {
  const header = request.headers['content-range'];
  if (header === undefined) return present;
  const range = parseChunkRange(header);
  if (range === undefined) {
    throw new Refusal('BLOB_UPLOAD_INVALID', 'Content-Range of a chunk is first-last, both included', { status: 400 });
  }
  const announced = request.headers['content-length'];
  if (announced !== undefined && Number(announced) !== range.end - range.start + 1) {
    throw new Refusal('SIZE_INVALID', `Content-Range and Content-Length disagree: ${header} and ${announced} bytes`);
  }
  if (range.start !== present) {
    response.setHeader('range', rangeOf(present));
    throw new Refusal('BLOB_UPLOAD_INVALID', `the upload holds ${present} bytes: the next chunk begins there`, {
      status: 416,
    });
  }
  return present;
}

async function store(rooms: Rooms, session: Session, digest: Digest, hold: Hold): Promise<void> {
  const { key, size } = await finishBytes(rooms, session, digest, hold);
  const { repository, id: uploadId } = session;
  const named = await nameBytes(rooms, { repository, digest, size, key, uploadId, now: rooms.now() });
  // Given up meanwhile: the bytes are an orphan, and the sweep takes them.
  if (named === 'unknown-upload') throw unknownUpload();
}

/** On a full disk nothing was committed, for certain, so the bytes go again; after any other failure they may be named. */
async function nameBytes({ metadata, blobs }: Rooms, blob: NewBlob): Promise<'named' | 'unknown-upload'> {
  try {
    return await metadata.addBlob(blob);
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'full') await blobs.remove(blob.key);
    throw error;
  }
}

async function finishBytes(
  rooms: Rooms,
  { id }: Session,
  digest: Digest,
  { heldSince, signal }: Hold,
): Promise<{ key: string; size: number }> {
  try {
    signal?.throwIfAborted();
    return await rooms.blobs.finish(id, digest, { heldSince });
  } catch (error) {
    // A wrong digest leaves no trace, the session included.
    if (error instanceof Refusal && error.code === 'DIGEST_INVALID') await rooms.metadata.deleteUpload(id);
    throw error;
  }
}

function refuseUnknownAlgorithm(query: URLSearchParams): void {
  const algorithm = query.get('digest-algorithm');
  if (algorithm === null || algorithm === 'sha256' || algorithm === 'sha512') return;
  throw new Refusal('DIGEST_INVALID', 'digest-algorithm is sha256 or sha512');
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function replyProgress(exchange: Exchange, status: number, { repository, id }: Session, size: number): void {
  const headers = {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: rangeOf(size),
    'docker-upload-uuid': id,
  };
  reply(exchange, status, headers);
}

/** `0-N`, N being the last byte's position; `0-0` where there is none yet, as clients have come to expect. */
function rangeOf(size: number): string {
  return `0-${Math.max(0, size - 1)}`;
}

function replyStored(exchange: Exchange, repository: string, digest: Digest): void {
  reply(exchange, 201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest });
}

function unknownUpload(): Refusal {
  return new Refusal('BLOB_UPLOAD_UNKNOWN', 'there is no such upload in this repository: begin again with POST');
}
