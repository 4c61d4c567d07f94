import type { Texts } from './texts.ts';

/** An image of one repository, as far as retention cares. */
export interface Image {
  readonly digest: string;
  readonly tags: readonly string[];
  /** First push of this digest, milliseconds since the epoch. Neither a second push nor a tag that moves here changes it. */
  readonly pushedAt: number;
  /** Last pull, milliseconds since the epoch; absent where it was never pulled. */
  readonly pulledAt?: number;
  /** Bytes. */
  readonly size?: number;
  /** Digests of an index's children. */
  readonly children?: readonly string[];
  /** Digest of what this is a referrer of (signature, SBOM). */
  readonly subject?: string;
  /** Digest of its config, under which a container runtime may know it. */
  readonly config?: string;
}

/** The same as it is read from a file: of a million images, no text has to become a string. */
export interface EncodedImage {
  /** The 32 bytes of a digest of sha256; the text of any other. */
  readonly digest: Uint8Array | string;
  readonly tags: Texts;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
  readonly size: number | undefined;
  readonly children: readonly string[];
  readonly subject: string | undefined;
}

const referrerTag = /^(sha256|sha512)-([a-f0-9]{64}|[a-f0-9]{128})\.(sig|att|sbom)$/;

/** The digest that a tag such as `sha256-<hex>.sig` refers to: it makes its image a referrer, and is no tag for the rules. */
export function subjectOfTag(tag: string): string | undefined {
  const match = tag.startsWith('sha') ? referrerTag.exec(tag) : null;
  return match === null ? undefined : `${match[1]}:${match[2]}`;
}
