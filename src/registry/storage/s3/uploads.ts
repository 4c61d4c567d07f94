import type { AppenderParts } from './appender.ts';
import type { Ongoing, Part } from './multipart.ts';
import { sizeOf } from './sessions.ts';

interface Found {
  size: number;
  modifiedAt: number;
}

/**
 * Every upload that left something in the bucket, with its last write. A multipart upload that no other object tells of (its
 * process died at the wrong moment) is one too: cancelling it aborts it.
 */
export async function* uploadsIn({ bucket, layout, multipart }: AppenderParts): AsyncGenerator<{ id: string } & Found> {
  const found = new Map<string, Found>();
  for await (const { name, size, modifiedAt } of bucket.list(layout.uploads)) {
    const named = layout.sessionNamed(name);
    if (named === undefined) continue;
    const end = /^\d+$/.test(named.what) ? Number(named.what) + size : 0;
    grow(found, named.id, { size: end, modifiedAt });
  }
  for await (const ongoing of multipart.ongoing(layout.blobs)) {
    const id = layout.keyNamed(ongoing.name);
    if (id === undefined || !layout.isUploadId(id)) continue;
    const parts = (await multipart.parts(ongoing)) ?? [];
    grow(found, id, { size: sizeOf(parts), modifiedAt: lastWrite(ongoing, parts) });
  }
  for (const [id, { size, modifiedAt }] of found) yield { id, size, modifiedAt };
}

function lastWrite({ initiatedAt }: Ongoing, parts: readonly Part[]): number {
  return parts.reduce((latest, part) => Math.max(latest, part.modifiedAt), initiatedAt);
}

function grow(found: Map<string, Found>, id: string, { size, modifiedAt }: Found): void {
  const known = found.get(id) ?? { size: 0, modifiedAt: 0 };
  found.set(id, { size: Math.max(known.size, size), modifiedAt: Math.max(known.modifiedAt, modifiedAt) });
}
