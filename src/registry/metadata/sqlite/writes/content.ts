import type { Digest } from '../../../../domain/oci/digest.ts';
import type { EdgeKind } from '../../store.ts';

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
