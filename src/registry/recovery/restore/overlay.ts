import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow } from '../../metadata/recovery.ts';
import type { JournalChange, NamedBlob } from '../rows.ts';
import { factsOf } from './facts.ts';

/** A tag's version as the feed tells it, and whose it is: this registry's own unless given. */
export interface TagVersion {
  readonly version: number;
  readonly origin?: string | undefined;
}

/** Taken over from another registry; with it a tombstone becomes that of a deletion. */
export interface AdoptedVersion extends TagVersion {
  readonly at: number;
}

/** The last thing that happened to a tag since the base, and how often it changed since then, or since a version was told. */
export interface TagChange {
  readonly set: boolean;
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  readonly steps: number;
  readonly actor: string;
  readonly at: number;
  readonly told?: TagVersion | undefined;
  /** Retention let it expire. */
  readonly expired: boolean;
}

type RuleExport = Extract<ExportedRow, { row: 'rule' }>;

/** Where the last push of a manifest is told, or that it was deleted. `unknown` where its bytes were not to be had. */
export type ManifestChange =
  | { readonly state: 'put'; readonly epoch: number; readonly sequence: number }
  | { readonly state: 'deleted' | 'unknown' };

/** Names are joined by a character that none of them can have. */
export function keyOf(repository: string, name: string): string {
  return `${repository} ${name}`;
}

/** What `keyOf` joined. */
export function partsOf(key: string): [repository: string, name: string] {
  const at = key.indexOf(' ');
  return [key.slice(0, at), key.slice(at + 1)];
}

/**
 * What the journal says that differs from the base, as it is in the end. Manifests' bytes stay in the journal: only their place
 * is remembered.
 */
export class Overlay {
  readonly repositories = new Set<string>();
  readonly tags = new Map<string, TagChange>();
  /** Versions of names to which nothing else happened. */
  readonly versions = new Map<string, AdoptedVersion>();
  /** By kind and name; undefined where the rule is gone. */
  readonly rules = new Map<string, RuleExport | undefined>();
  readonly manifests = new Map<string, ManifestChange>();
  /** Whether a repository shows a blob. */
  readonly visible = new Map<string, boolean>();
  readonly blobs = new Map<Digest, NamedBlob>();
  /** Blobs that manifests name and that their repository did not show when they were pushed. */
  readonly unseen = new Set<string>();

  apply(change: JournalChange, epoch: number): void {
    if (change.rule !== undefined) {
      this.#rule(change, change.rule);
      return;
    }
    this.repositories.add(change.repository);
    if (change.kind === 'manifest-put') this.#putManifest(change, epoch);
    else if (change.kind === 'manifest-deleted') this.#manifest(change, { state: 'deleted' });
    else if (change.kind === 'blob-deleted') this.#hide(change);
    else if (change.kind === 'tag-version') this.#adopt(change);
    else this.#tag(change, change.kind === 'tag-set');
  }

  /** A manifest that the journal put there, with bytes. */
  hasManifest(repository: string, digest: Digest): boolean {
    return this.manifests.get(keyOf(repository, digest))?.state === 'put';
  }

  #putManifest(change: JournalChange, epoch: number): void {
    const { manifest, repository, sequence } = change;
    this.#manifest(change, manifest === undefined ? { state: 'unknown' } : { state: 'put', epoch, sequence });
    if (manifest === undefined) return;
    for (const blob of manifest.blobs) {
      this.blobs.set(blob.digest, blob);
      this.visible.set(keyOf(repository, blob.digest), true);
      this.unseen.delete(keyOf(repository, blob.digest));
    }
    const shown = new Set(manifest.blobs.map(({ digest }) => digest));
    for (const { kind, digest } of factsOf(manifest.bytes, manifest.mediaType).edges)
      if ((kind === 'config' || kind === 'layer') && !shown.has(digest)) this.unseen.add(keyOf(repository, digest));
  }

  #manifest({ repository, digest }: JournalChange, change: ManifestChange): void {
    if (digest !== undefined) this.manifests.set(keyOf(repository, digest), change);
  }

  #tag(change: JournalChange, set: boolean): void {
    const { repository, tag, digest, actor, at, tombstone } = change;
    if (tag === undefined || digest === undefined) return;
    const key = keyOf(repository, tag);
    const before = this.tags.get(key);
    const now = toldBy(change);
    const told = now ?? (before?.told && { version: before.told.version });
    const steps = now === undefined ? (before?.steps ?? 0) + 1 : 0;
    const expired = tombstone === 'expired';
    this.tags.set(key, { set, repository, tag, digest, steps, actor, at, told, expired });
  }

  #adopt(change: JournalChange): void {
    const { repository, tag, at } = change;
    const told = toldBy(change);
    if (tag === undefined || told === undefined) return;
    const key = keyOf(repository, tag);
    const before = this.tags.get(key);
    if (before === undefined) this.versions.set(key, { ...told, at });
    else if (before.set) this.tags.set(key, { ...before, told, steps: 0 });
    else this.tags.set(key, { ...before, told, steps: 0, at, expired: false });
  }

  /** Of a rule that was put nothing is known where it was gone when the journal came to it: a later change says so. */
  #rule({ kind, ruleRow }: JournalChange, name: string): void {
    if (kind === 'rule-deleted') this.rules.set(name, undefined);
    else if (ruleRow !== undefined) this.rules.set(name, { row: 'rule', ...ruleRow });
  }

  #hide({ repository, digest }: JournalChange): void {
    if (digest !== undefined) this.visible.set(keyOf(repository, digest), false);
  }
}

/** Changes that were written before the feed told of versions say none. */
function toldBy({ version, tagOrigin }: JournalChange): TagVersion | undefined {
  return version === undefined ? undefined : { version, origin: tagOrigin };
}
