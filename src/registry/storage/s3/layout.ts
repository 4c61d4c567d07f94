import { algorithmOf, type Digest, hexOf, isDigest } from '../../../domain/oci/digest.ts';

const ID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const NAME = '(sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128})';
const UPLOAD_ID = new RegExp(`^${ID}$`);
const KEY = new RegExp(`^(${ID})(?:\\.${NAME})?$`);
const MARKER = new RegExp(`^(${ID})\\.is\\.${NAME}$`);
const SESSION = new RegExp(`^(${ID})/(begun|multipart|\\d{16})$`);

export interface KeyParts {
  readonly uploadId: string;
  /** Absent where bytes were uploaded before their digest was known: a marker beside them names it. */
  readonly digest: Digest | undefined;
}

/**
 * What objects are called. Below the prefix:
 * - `blobs/<upload>.<algorithm>-<hex>`: a blob that came in one piece;
 * - `blobs/<upload>`: one that came in parts, and an empty `blobs/<upload>.is.<algorithm>-<hex>` that says what it is;
 * - `uploads/<upload>/begun`, `…/multipart` and `…/<offset>`: an upload under way.
 * Nothing else there is ours. Keys in the metadata are names below `blobs/`.
 */
export class Layout {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  get blobs(): string {
    return `${this.prefix}blobs/`;
  }

  get uploads(): string {
    return `${this.prefix}uploads/`;
  }

  isUploadId(id: string): boolean {
    return UPLOAD_ID.test(id);
  }

  /** Name of a blob whose digest is known before its first byte is sent. */
  keyOf(id: string, digest: Digest): string {
    return `${id}.${algorithmOf(digest)}-${hexOf(digest)}`;
  }

  /** Throws RangeError where `key` is not one of ours: it becomes part of a name. */
  blob(key: string): string {
    if (!KEY.test(key)) throw new RangeError(`storage key ${JSON.stringify(key)} is not well-formed`);
    return `${this.blobs}${key}`;
  }

  parts(key: string): KeyParts {
    const [, uploadId, name] = KEY.exec(key) ?? [];
    if (uploadId === undefined) throw new RangeError(`storage key ${JSON.stringify(key)} is not well-formed`);
    return { uploadId, digest: digestNamed(name) };
  }

  /** The key of a listed object, or undefined where it is none of ours. */
  keyNamed(object: string): string | undefined {
    const key = object.slice(this.blobs.length);
    return object.startsWith(this.blobs) && KEY.test(key) ? key : undefined;
  }

  marker(id: string, digest: Digest): string {
    return `${this.blobs}${id}.is.${algorithmOf(digest)}-${hexOf(digest)}`;
  }

  /** What the markers of an upload begin with. */
  markers(id: string): string {
    return `${this.blobs}${id}.is.`;
  }

  markerNamed(object: string): { id: string; digest: Digest } | undefined {
    const [, id, name] = MARKER.exec(object.slice(this.blobs.length)) ?? [];
    const digest = digestNamed(name);
    return id === undefined || digest === undefined ? undefined : { id, digest };
  }

  session(id: string): string {
    return `${this.uploads}${id}/`;
  }

  begun(id: string): string {
    return `${this.session(id)}begun`;
  }

  multipart(id: string): string {
    return `${this.session(id)}multipart`;
  }

  /** A piece of an upload that is not (yet) in a part: its bytes begin at `offset` of the blob. */
  piece(id: string, offset: number): string {
    return `${this.session(id)}${offset.toString().padStart(16, '0')}`;
  }

  /** Which upload an object belongs to, and what of it. */
  sessionNamed(object: string): { id: string; what: string } | undefined {
    const [, id, what] = SESSION.exec(object.slice(this.uploads.length)) ?? [];
    return id === undefined || what === undefined ? undefined : { id, what };
  }
}

function digestNamed(name: string | undefined): Digest | undefined {
  const digest = name?.replace('-', ':') ?? '';
  return isDigest(digest) ? digest : undefined;
}
