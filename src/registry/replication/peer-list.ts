/** How registries of this project list tags for each other. */
import { isDigest } from '../../domain/oci/digest.ts';
import { isTag } from '../../domain/oci/reference.ts';
import type { Flows, ListedTag } from './side.ts';

/** Media type of the answer, to be asked for with `Accept`. */
export const peerTags = 'application/vnd.ne-registry.tags.v1+json';

/** Characters of an identity (`version-headers.ts`). */
const longestOrigin = 128;

export interface PeerPage {
  readonly registry: string;
  readonly tags: readonly ListedTag[];
  readonly flows?: Flows;
}

/** Reads a page; undefined where it is none, as of a registry that knows nothing of such lists. */
export function readPeerPage(body: Readonly<Record<string, unknown>>): PeerPage | undefined {
  const { registry, tags, flows } = body;
  if (typeof registry !== 'string' || registry === '' || !Array.isArray(tags)) return undefined;
  const read = tags.map(readTag);
  const known = read.filter((tag) => tag !== undefined);
  if (known.length < read.length) return undefined;
  return { registry, tags: known, ...readFlows(flows) };
}

function readTag(value: unknown): ListedTag | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { tag, digest, version, origin, deleted, referrers, changedAt, pushedAt } = value as Record<string, unknown>;
  if (typeof tag !== 'string' || !isTag(tag) || typeof digest !== 'string' || !isDigest(digest)) return undefined;
  if (!isVersion(version) || typeof origin !== 'string' || origin.length > longestOrigin) return undefined;
  return {
    tag,
    digest,
    version,
    origin,
    ...(deleted === 'deleted' || deleted === 'expired' ? { deleted } : {}),
    ...(typeof referrers === 'string' && { referrers }),
    ...timeIn('changedAt', changedAt),
    ...timeIn('pushedAt', pushedAt),
  };
}

/** What is no whole number that a program holds exactly would be the newest for ever. */
function isVersion(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function timeIn<const Field extends string>(field: Field, value: unknown): Partial<Record<Field, number>> {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? {} : ({ [field]: at } as Partial<Record<Field, number>>);
}

function readFlows(value: unknown): { flows?: Flows } {
  if (typeof value !== 'object' || value === null) return {};
  const names = (list: unknown) => (Array.isArray(list) ? list.filter((item) => typeof item === 'string') : []);
  const { to, from } = value as Record<string, unknown>;
  return { flows: { to: names(to), from: names(from) } };
}
