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

const referrerTag = /^(sha256|sha512)-([a-f0-9]{64}|[a-f0-9]{128})\.(sig|att|sbom)$/;

/** Whether a tag such as `sha256-<hex>.sig` makes its image a referrer: it is no tag for the rules. */
export function isReferrerTag(tag: string): boolean {
  // Nearly every tag ends here.
  return tag.startsWith('sha') && referrerTag.test(tag);
}

/** The digest that such a tag refers to. */
export function subjectOfTag(tag: string): string | undefined {
  const match = tag.startsWith('sha') ? referrerTag.exec(tag) : null;
  return match === null ? undefined : `${match[1]}:${match[2]}`;
}
