import type { Digest } from '../../domain/oci/digest.ts';
import { isIndex } from '../../domain/oci/media-types.ts';
import type { RuleKind } from '../metadata/rules.ts';
import type { ChangeRow, MetadataStore } from '../metadata/store.ts';
import type { JournalChange, NamedBlob } from './rows.ts';

/** A manifest larger than this is not left to the garbage collector, bytes. */
export const HEAVY = 1024 * 1024;

/**
 * A change with all that is needed to make it again: of a manifest its bytes, and which of its blobs the repository saw. A
 * manifest that is gone already is told of by a later change.
 */
export async function journalChange(
  metadata: Pick<MetadataStore, 'manifest' | 'manifestBytes' | 'blob' | 'rule'>,
  change: ChangeRow,
): Promise<JournalChange> {
  const { kind, repository, digest, rule } = change;
  if (rule !== undefined) return { row: 'rule-change', ...change, ...(await ruleOf(metadata, change, rule)) };
  if (kind !== 'manifest-put' || digest === undefined) return { row: 'change', ...change };
  const row = await metadata.manifest(repository, { digest });
  // What others left behind would add to it.
  if (row !== undefined && row.size > HEAVY) globalThis.gc?.();
  const found = await metadata.manifestBytes(repository, { digest });
  if (found === undefined) return { row: 'change', ...change };
  const { mediaType, bytes, pushedAt } = found;
  const named = isIndex(mediaType) ? [] : blobsNamedBy(bytes);
  const looked = await Promise.all(named.map((blob) => metadata.blob(repository, blob)));
  const blobs: NamedBlob[] = looked.flatMap((row) => row ?? []);
  const first = pushedAt === change.at ? {} : { pushedAt };
  return { row: 'change', ...change, manifest: { mediaType, bytes, blobs, ...first } };
}

async function ruleOf(
  metadata: Pick<MetadataStore, 'rule'>,
  { kind }: ChangeRow,
  named: NonNullable<ChangeRow['rule']>,
): Promise<Pick<JournalChange, 'ruleRow'>> {
  if (kind !== 'rule-put') return {};
  const at = named.indexOf('/');
  const found = await metadata.rule(named.slice(0, at) as RuleKind, named.slice(at + 1));
  if (found === undefined) return {};
  const { state: _, ...ruleRow } = found;
  return { ruleRow };
}

/** The bytes were read strictly when they came, so that reading them once more may be quick. */
function blobsNamedBy(bytes: Uint8Array): Digest[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const { config, layers } = JSON.parse(text) as { config?: Named; layers?: readonly Named[] | null };
  return [...new Set([...(config ? [config.digest] : []), ...(layers ?? []).map(({ digest }) => digest)])];
}

interface Named {
  readonly digest: Digest;
}
