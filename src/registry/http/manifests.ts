import { createHash } from 'node:crypto';
import { Refusal } from '../../domain/errors.ts';
import { algorithmOf, type Digest, digestOf, isDigest } from '../../domain/oci/digest.ts';
import { InvalidManifest, type Manifest, readManifest } from '../../domain/oci/manifest.ts';
import { giveBack } from '../../platform/give-back.ts';
import { factsOf } from '../manifest-facts.ts';
import type { Replicated, ReplicatedDeletion } from '../metadata/replicating.ts';
import type { ManifestRow, ManifestWithBytes, NewManifest, PutManifestResult, Reference } from '../metadata/store.ts';
import { digestHeader, readVersion, requireReach } from '../version-headers.ts';
import type { Rooms } from './api.ts';
import { type Exchange, reply } from './exchange.ts';
import { heavy } from './intake.ts';
import { tagQueries } from './query.ts';

interface Target {
  readonly repository: string;
  readonly reference: Reference;
}

/** `GET` and `HEAD /v2/<name>/manifests/<reference>`: the stored bytes under the stored media type, whatever `Accept` says. */
export async function getManifest(rooms: Rooms, exchange: Exchange, target: Target): Promise<void> {
  const { identity, caller, request } = exchange;
  rooms.gate.authorize(identity, 'Pull', target.repository, caller);
  // Asked of the embedded store alone, where it costs nothing.
  const row = rooms.blobs.shared ? undefined : await rooms.metadata.manifest(target.repository, target.reference);
  const large = row !== undefined && row.size > heavy && request.method === 'GET';
  if (large) return rooms.intake.inTurn(() => sendHeavy(rooms, exchange, target));
  await sendManifest(rooms, exchange, target);
}

/** A client that has not taken a large manifest by then waits without its turn, milliseconds. */
const turn = 250;

/** The bytes of a large manifest are in memory until they are sent: a quick client has them before the next one's are read. */
async function sendHeavy(rooms: Rooms, exchange: Exchange, target: Target): Promise<void> {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  exchange.response.once('close', resolve);
  await sendManifest(rooms, exchange, target);
  const late = setTimeout(resolve, turn);
  await gone;
  clearTimeout(late);
}

async function sendManifest(rooms: Rooms, exchange: Exchange, target: Target): Promise<void> {
  const { request } = exchange;
  const head = request.method === 'HEAD';
  const found = head
    ? await rooms.metadata.manifest(target.repository, target.reference)
    : await rooms.metadata.manifestBytes(target.repository, target.reference);
  if (found === undefined) throw unknownManifest(target);
  const headers = manifestHeaders(found);
  if (request.headers['if-none-match'] !== undefined && matches(request.headers['if-none-match'], found.digest)) {
    reply(exchange, 304, { etag: headers.etag, 'docker-content-digest': found.digest });
    return;
  }
  if (!head && (await rooms.pulls.note(target.repository, found.digest)) === false) throw unknownManifest(target);
  if (!('bytes' in found)) return reply(exchange, 200, headers);
  const { bytes, exclusive } = found as ManifestWithBytes;
  if (exclusive) exchange.response.once('close', () => giveBack(bytes));
  reply(exchange, 200, headers, bytes);
}

/** `PUT /v2/<name>/manifests/<reference>` with its `tag` parameters (distribution-spec dev §"Pushing Manifests"). */
export async function putManifest(rooms: Rooms, exchange: Exchange, target: Target): Promise<void> {
  const { identity, caller, query, request } = exchange;
  rooms.gate.authorize(identity, 'CreateTag', target.repository, caller);
  const tags = 'tag' in target.reference ? [target.reference.tag] : tagQueries(query);
  const replicated = tags.length > 0 ? await versionOf(rooms, exchange, target.repository, tags) : undefined;
  const { manifestBytes } = rooms.settings().limits;
  await rooms.intake.with({ request, from: caller.address, limit: manifestBytes }, async (bytes) => {
    const digest = verifiedDigest(bytes, target.reference);
    const facts = factsOf(understand(bytes, contentType(exchange)), bytes.length, rooms.settings().content);
    rooms.intake.settle(bytes.length);
    const result = await rooms.metadata.putManifest({
      ...facts,
      ...conditionsOf(exchange, rooms, target.repository),
      repository: target.repository,
      digest,
      bytes,
      ownsBytes: true,
      tags,
      by: { name: identity.name, now: rooms.now(), ...(replicated && { origin: replicated.origin }) },
      ...(replicated && { replicated }),
    });
    if (replicated && result.outcome === 'conflict') throw superseded(result.tag, result.current);
    throwUnlessStored(result);
    reply(exchange, 201, {
      location: `/v2/${target.repository}/manifests/${digest}`,
      'docker-content-digest': digest,
      ...(facts.subject && { 'oci-subject': facts.subject }),
      ...('digest' in target.reference && tags.length > 0 && { 'oci-tag': tags }),
    });
  });
}

/** `DELETE /v2/<name>/manifests/<reference>`: a tag alone, or a digest with all its tags. */
export async function deleteManifest(rooms: Rooms, exchange: Exchange, target: Target): Promise<void> {
  const { identity, caller } = exchange;
  const by = { name: identity.name, now: rooms.now() };
  const { repository, reference } = target;
  rooms.gate.authorize(identity, 'tag' in reference ? 'DeleteTag' : 'DeleteManifest', repository, caller);
  if ('tag' in reference && isFromPeer(exchange))
    return deleteAsPeer(rooms, exchange, { repository, tag: reference.tag, by });
  const done =
    'tag' in reference
      ? await rooms.metadata.deleteTag(repository, reference.tag, by)
      : await rooms.metadata.deleteManifest(repository, reference.digest, by);
  if (!done) throw unknownManifest(target);
  reply(exchange, 202, {});
}

function isFromPeer({ request }: Exchange): boolean {
  return request.headers[digestHeader] !== undefined || readVersion(request.headers) !== undefined;
}

/**
 * Deletes a tag that another registry lost: where it says what state that was, only if that is newer than what the tag is here.
 * What clusters use stays.
 */
async function deleteAsPeer(
  rooms: Rooms,
  exchange: Exchange,
  { repository, tag, by }: Pick<ReplicatedDeletion, 'repository' | 'tag' | 'by'>,
): Promise<void> {
  const { metadata, peers } = rooms;
  const replicated = await versionOf(rooms, exchange, repository, [tag]);
  const held = await peers?.pins.holding(repository, tag);
  if (held !== undefined)
    throw new Refusal('DENIED', `the tag ${tag} is not deleted: it is used by ${held}`, {
      detail: { reason: 'in-use' },
    });
  const result = replicated
    ? await metadata.deleteReplicatedTag({
        repository,
        tag,
        replicated,
        by: { ...by, origin: replicated.origin },
        ...digestOfHeader(exchange),
      })
    : (await metadata.deleteTag(repository, tag, by)) || 'unknown';
  if (result === 'conflict') throw superseded(tag);
  if (result === 'unknown') throw unknownManifest({ repository, reference: { tag } });
  reply(exchange, 202, {});
}

function digestOfHeader({ request }: Exchange): { digest?: Digest } {
  const digest = request.headers[digestHeader];
  return typeof digest === 'string' && isDigest(digest) ? { digest } : {};
}

/** The state of a tag on another registry, which only those may bring who may replicate. */
async function versionOf(
  { gate, metadata }: Rooms,
  { request, identity, caller }: Exchange,
  repository: string,
  tags: readonly string[],
): Promise<Replicated | undefined> {
  const replicated = readVersion(request.headers);
  if (replicated === undefined) return undefined;
  gate.authorize(identity, 'Replicate', repository, caller);
  await requireReach(metadata, repository, tags, replicated);
  return replicated;
}

function superseded(tag: string, current?: Digest): Refusal {
  const message = `the tag ${tag} has a newer state here than the one that was sent, so nothing was changed`;
  return new Refusal('DENIED', message, {
    status: 409,
    detail: { reason: 'superseded', tag, ...(current && { current }) },
  });
}

/** Of an answer with the manifest, or with what is known of it. */
export function manifestHeaders(row: ManifestRow): Record<string, string | number> & { etag: string } {
  return {
    'content-type': row.mediaType,
    'content-length': row.size,
    'docker-content-digest': row.digest,
    etag: `"${row.digest}"`,
    'x-content-type-options': 'nosniff',
  };
}

/** `If-None-Match` of RFC 9110 §13.1.2: any of a list of entity tags, weak or not, or `*`. */
export function matches(header: string, digest: Digest): boolean {
  return header
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
    .some((tag) => tag === '*' || tag === `"${digest}"`);
}

function contentType({ request }: Exchange): string | undefined {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  return type || undefined;
}

function understand(bytes: Uint8Array, type: string | undefined): Manifest {
  try {
    return readManifest(bytes, type);
  } catch (error) {
    if (error instanceof InvalidManifest) throw new Refusal('MANIFEST_INVALID', error.message);
    throw error;
  }
}

/** The digest is over the raw bytes, in the algorithm of the reference; sha256 where a tag is pushed. */
function verifiedDigest(bytes: Uint8Array, reference: Reference): Digest {
  const algorithm = 'digest' in reference ? algorithmOf(reference.digest) : 'sha256';
  const digest = digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'));
  if ('digest' in reference && digest !== reference.digest) {
    throw new Refusal('DIGEST_INVALID', `the body's digest is ${digest}, not the one in the path`);
  }
  return digest;
}

/** `If-Match` and `If-None-Match: *` make a tag push conditional; who may not overwrite may still create. */
function conditionsOf(exchange: Exchange, rooms: Rooms, repository: string): Pick<NewManifest, 'conditions'> {
  const ifMatch = exchange.request.headers['if-match']?.trim();
  const ifNoneMatch = exchange.request.headers['if-none-match']?.trim();
  const createOnly = !rooms.gate.allows(exchange.identity, 'OverwriteTag', repository);
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new Refusal('UNSUPPORTED', 'If-None-Match on a push takes only *', { status: 400 });
  }
  const expected = ifMatch === undefined ? undefined : entityTag(ifMatch);
  return {
    conditions: {
      createOnly,
      ifNoneMatch: ifNoneMatch === '*',
      ...(expected === undefined ? {} : { ifMatch: expected }),
    },
  };
}

function entityTag(header: string): Digest {
  const match = /^"((?:sha256|sha512):[a-f0-9]+)"$/.exec(header);
  if (match?.[1] === undefined) {
    throw new Refusal('UNSUPPORTED', 'If-Match on a push takes one entity tag: the quoted digest', { status: 400 });
  }
  return match[1] as Digest;
}

function throwUnlessStored(result: PutManifestResult): void {
  if (result.outcome === 'missing') {
    const some = result.digests.slice(0, 10);
    throw new Refusal(
      'MANIFEST_BLOB_UNKNOWN',
      `push these first, they are not in this repository: ${some.join(', ')}`,
      {
        detail: { missing: some, count: result.digests.length },
      },
    );
  }
  if (result.outcome === 'conflict') {
    const now = result.current === undefined ? 'does not exist' : `points at ${result.current}`;
    throw new Refusal('DENIED', `the tag ${result.tag} ${now}, so the push was not done`, { status: 412 });
  }
}

function unknownManifest({ repository, reference }: Target): Refusal {
  const name = 'tag' in reference ? `${repository}:${reference.tag}` : `${repository}@${reference.digest}`;
  return new Refusal('MANIFEST_UNKNOWN', `there is no manifest ${name} here`);
}
