/** What a manifest says: OCI image-spec v1.1 `manifest.md` and `image-index.md`, Docker Image Manifest V2 Schema 2. */
import { InvalidJson, isJsonObject, parseStrictJson } from '../json.ts';
import { type Digest, isDigest } from './digest.ts';
import { isImageManifest, isIndex, isNonDistributable, isTypeName, mediaTypes } from './media-types.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, unknown>>;
}

export interface Manifest {
  readonly mediaType: string;
  readonly kind: 'image' | 'index';
  /** Absent in an index. */
  readonly config?: Descriptor;
  /** Of an image; empty for an index. */
  readonly layers: readonly Descriptor[];
  /** Of an index; empty for an image. */
  readonly children: readonly Descriptor[];
  readonly subject?: Descriptor;
  /** As the referrers API reports it: the manifest's own, else an image's config media type, else absent. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest that is refused. The message names the field. */
export class InvalidManifest extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvalidManifest';
  }
}

/**
 * Reads the exact bytes of a manifest as the media type that it was sent with.
 * @param contentType the `Content-Type` without parameters, or undefined where none was sent: the body's own counts then
 * @throws InvalidManifest
 */
export function readManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  const body = parseBody(bytes);
  const mediaType = agreeOnMediaType(body, contentType);
  if (body.schemaVersion !== 2) throw new InvalidManifest(`schemaVersion must be 2, not ${shown(body.schemaVersion)}`);
  const index = isIndex(mediaType);
  refuseTheOtherKindsFields(body, index);

  const subject = optionalDescriptor(body.subject, 'subject');
  const annotations = stringMap(body.annotations, 'annotations');
  const config = index ? undefined : descriptor(body.config, 'config');
  const artifactType = optionalType(body.artifactType, 'artifactType') ?? config?.mediaType;
  return {
    mediaType,
    kind: index ? 'index' : 'image',
    layers: index ? [] : descriptors(body.layers, 'layers'),
    children: index ? descriptors(body.manifests, 'manifests') : [],
    ...(config && { config }),
    ...(subject && { subject }),
    ...(artifactType && { artifactType }),
    ...(annotations && { annotations }),
  };
}

/**
 * Bytes of a manifest, its config and its layers, each layer counted once; of an index those of the manifest alone. Sizes are what
 * the pusher claims, and their sum as much of it as a number can say exactly.
 * @param own bytes of the manifest
 */
export function contentSizeOf({ config, layers }: Pick<Manifest, 'config' | 'layers'>, own: number): number {
  const sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  const sum = [...sizes.values()].reduce((all, size) => all + size, own + (config?.size ?? 0));
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

/** Whether a registry may lack this layer, because its publisher does not let it be handed on. */
export function mayBeMissing(layer: Descriptor): boolean {
  return isNonDistributable(layer.mediaType);
}

/** Characters of a value beyond which nobody reads it from here: more than a list of referrers repeats. */
const longest = 64 * 1024;

function parseBody(bytes: Uint8Array): Record<string, unknown> {
  let body: unknown;
  try {
    body = parseStrictJson(bytes, { longest });
  } catch (error) {
    if (error instanceof InvalidJson) throw new InvalidManifest(error.message);
    throw error;
  }
  if (!isJsonObject(body)) throw new InvalidManifest('a manifest is a JSON object');
  return body;
}

/** Two answers to "what is this" are an attack (CVE-2021-41190). */
function agreeOnMediaType(body: Record<string, unknown>, contentType: string | undefined): string {
  const own = optionalType(body.mediaType, 'mediaType');
  const mediaType =
    contentType ?? own ?? (Array.isArray(body.manifests) ? mediaTypes.ociIndex : mediaTypes.ociManifest);
  if (own !== undefined && own !== mediaType) {
    throw new InvalidManifest(`mediaType is ${shown(own)} but the Content-Type is ${shown(contentType)}`);
  }
  if (!isIndex(mediaType) && !isImageManifest(mediaType)) {
    throw new InvalidManifest(`the media type ${shown(mediaType)} is not one of a manifest that is stored here`);
  }
  return mediaType;
}

/** So is a body that is an image and an index at once, or Docker's schema 1 beside (`fsLayers`). */
function refuseTheOtherKindsFields(body: Record<string, unknown>, index: boolean): void {
  const others = index ? ['layers', 'config', 'fsLayers'] : ['manifests', 'fsLayers'];
  const foreign = others.find((field) => body[field] !== undefined);
  if (foreign === undefined) return;
  throw new InvalidManifest(`${index ? 'an index' : 'an image manifest'} must not have the field ${shown(foreign)}`);
}

function descriptors(value: unknown, field: string): Descriptor[] {
  // Go programs write an empty list as null.
  if (value === null) return [];
  if (!Array.isArray(value)) throw new InvalidManifest(`${field} must be an array`);
  return value.map((item, position) => descriptor(item, `${field}[${position}]`));
}

function optionalDescriptor(value: unknown, field: string): Descriptor | undefined {
  return value === undefined ? undefined : descriptor(value, field);
}

function descriptor(value: unknown, field: string): Descriptor {
  if (!isJsonObject(value)) throw new InvalidManifest(`${field} must be a descriptor (an object)`);
  const { digest, size, platform } = value;
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw new InvalidManifest(`${field}.digest is not a sha256 or sha512 digest: ${shown(digest)}`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new InvalidManifest(`${field}.size must be a whole number of bytes, not ${shown(size)}`);
  }
  const mediaType = optionalType(value.mediaType, `${field}.mediaType`);
  if (mediaType === undefined) throw new InvalidManifest(`${field}.mediaType is missing`);
  const artifactType = optionalType(value.artifactType, `${field}.artifactType`);
  const annotations = stringMap(value.annotations, `${field}.annotations`);
  return {
    mediaType,
    digest,
    size,
    ...(artifactType && { artifactType }),
    ...(annotations && { annotations }),
    ...(isJsonObject(platform) && { platform }),
  };
}

/** Types are repeated in lists of referrers and kept in databases: one of megabytes, or with a NUL, does harm there. */
function optionalType(value: unknown, field: string): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw new InvalidManifest(`${field} must be a string, not ${shown(value)}`);
  if (!isTypeName(value)) {
    throw new InvalidManifest(`${field} must have at most 255 characters and no control characters: ${shown(value)}`);
  }
  return value;
}

function stringMap(value: unknown, field: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw new InvalidManifest(`${field} must be an object of strings`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw new InvalidManifest(`${field}[${shown(key)}] must be a string, not ${shown(text)}`);
  }
  return value as Record<string, string>;
}

/** A stranger's value in an error message: quoted, and short whatever its length. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
