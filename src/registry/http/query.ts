/** Query strings of the API. Pure. */
import { Refusal } from '../../domain/errors.ts';
import { type Digest, isDigest } from '../../domain/oci/digest.ts';
import { isTypeName } from '../../domain/oci/media-types.ts';
import { isTag } from '../../domain/oci/reference.ts';

/** A page as the client asked for it: `n` entries after `last`. */
export interface PageQuery {
  readonly n?: number;
  readonly last?: string;
}

const longestLast = 256;
/** More tags than this in one request is nothing that a build does. */
const mostTags = 100;

/**
 * `n` and `last` of a list. `n` above the server's own bound is clipped later, never refused (CVE-2023-2253 was memory
 * taken for whatever `n` said).
 * @throws Refusal UNSUPPORTED 400 where `n` is not a whole number ≥ 0, or `last` cannot be the name of anything
 */
export function pageQuery(query: URLSearchParams): PageQuery {
  const n = query.get('n');
  const last = query.get('last');
  if (n !== null && !/^\d{1,15}$/.test(n)) {
    throw new Refusal('UNSUPPORTED', 'the query parameter n must be a whole number, 0 or more', { status: 400 });
  }
  if (last !== null && (last.length > longestLast || last.includes('\0'))) {
    throw new Refusal('UNSUPPORTED', 'the query parameter last is not a name that could be here', { status: 400 });
  }
  return { ...(n === null ? {} : { n: Number(n) }), ...(last === null || last === '' ? {} : { last }) };
}

/** @throws Refusal DIGEST_INVALID where the parameter is there but is no digest */
export function digestQuery(query: URLSearchParams, name: string): Digest | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (isDigest(text)) return text;
  throw new Refusal(
    'DIGEST_INVALID',
    `the query parameter ${name} must be a sha256 or sha512 digest in lower-case hex (algorithm:hex)`,
  );
}

/**
 * The `artifactType` filter of a list of referrers; undefined where it is absent or empty.
 * @throws Refusal UNSUPPORTED 400 where it cannot be the type of anything
 */
export function artifactTypeQuery(query: URLSearchParams): string | undefined {
  const type = query.get('artifactType') || undefined;
  if (type === undefined || isTypeName(type)) return type;
  throw new Refusal('UNSUPPORTED', 'the query parameter artifactType is not a media type', { status: 400 });
}

/** The `tag` parameters of a manifest push by digest, each once, in the order given. */
export function tagQueries(query: URLSearchParams): string[] {
  const tags = [...new Set(query.getAll('tag'))];
  if (tags.length > mostTags) {
    throw new Refusal('MANIFEST_INVALID', `at most ${mostTags} tags in one request`, { status: 414 });
  }
  const wrong = tags.find((tag) => !isTag(tag));
  if (wrong !== undefined) {
    throw new Refusal('MANIFEST_INVALID', `the query parameter tag=${JSON.stringify(wrong.slice(0, 40))} is not a tag`);
  }
  return tags;
}
