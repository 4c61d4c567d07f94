import type { Digest } from '../../domain/oci/digest.ts';
import type { ImageRow } from './retaining.ts';
import type { EdgeKind } from './store.ts';

/** In the order of the columns: making a million objects of named columns takes half as long again. */
export type RawImage = readonly [
  id: number,
  digest: Digest,
  mediaType: string,
  pushedAt: number,
  pulledHour: number | null,
  contentSize: number,
  subject: Digest | null,
  config: Digest | null,
  children: string | null,
  tags: string | null,
];

type Filling = { -readonly [Key in keyof ImageRow]: ImageRow[Key] };

/** Media types are few: each is kept once, however many images have it. */
export function imageShaper(): (raw: RawImage) => ImageRow {
  const types = new Map<string, string>();
  return ([, digest, mediaType, pushedAt, pulledHour, contentSize, subject, config, children, tags]) => {
    const known = types.get(mediaType);
    if (known === undefined) types.set(mediaType, mediaType);
    // No spread: it takes longer than all the reading.
    const row: Filling = { digest, tags: linesOf(tags), mediaType: known ?? mediaType, pushedAt, contentSize };
    if (pulledHour !== null) row.pulledHour = pulledHour;
    if (children !== null) row.children = children.split('\n') as Digest[];
    if (subject !== null) row.subject = subject;
    if (config !== null) row.config = config;
    return row;
  };
}

/** What `group_concat` joined; the same empty list for all that have nothing. */
export function linesOf(text: string | null): readonly string[] {
  return text === null ? none : text.split('\n');
}

const none: readonly string[] = [];

/** Content size, config and children as the row has them; all empty where the size is to be worked out from the edges. */
export function contentOf({
  contentSize,
  edges,
}: {
  contentSize?: number;
  edges: readonly { kind: EdgeKind; digest: Digest }[];
}): [number | null, Digest | null, string | null] {
  if (contentSize === undefined) return [null, null, null];
  const config = edges.find(({ kind }) => kind === 'config')?.digest ?? null;
  const children = new Set(edges.filter(({ kind }) => kind === 'child').map(({ digest }) => digest));
  return [contentSize, config, children.size === 0 ? null : [...children].join('\n')];
}
