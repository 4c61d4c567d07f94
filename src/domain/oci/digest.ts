/** Digests as OCI image-spec v1.1 `descriptor.md` §Digests writes them: `algorithm:encoded`. */
export type Algorithm = 'sha256' | 'sha512';
export type Digest = `${Algorithm}:${string}`;

const hexLength: Record<Algorithm, number> = { sha256: 64, sha512: 128 };
const registered = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;
/** The grammar of any digest, registered algorithm or not: tells "a digest that is wrong" from "a tag". */
const looksLikeDigest = /^[A-Za-z0-9_+.-]*:/;

/** Whether `text` is a digest of a registered algorithm with the right length, in lower-case hex. */
export function isDigest(text: string): text is Digest {
  return registered.test(text);
}

/** Whether `text` was meant as a digest (it has a colon, which no tag has), well-formed or not. */
export function isMeantAsDigest(text: string): boolean {
  return looksLikeDigest.test(text);
}

/** `sha256` or `sha512` of a well-formed digest. */
export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

/** The hex part of a well-formed digest: 64 or 128 characters. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Joins an algorithm and lower-case hex of the right length. Throws RangeError otherwise: a programming error. */
export function digestOf(algorithm: Algorithm, hex: string): Digest {
  if (hex.length !== hexLength[algorithm])
    throw new RangeError(`${algorithm} needs ${hexLength[algorithm]} hex digits`);
  return `${algorithm}:${hex}`;
}
