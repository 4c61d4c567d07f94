import type { Digest } from '../../domain/oci/digest.ts';
import type { Awaitable, EdgeKind, Millis } from './store.ts';

/** Reading everything out of one store and putting it into another: snapshots, restoring, migration. */
export interface Recovery {
  /** Everything that must survive, as of one moment, in an order in which it can be put back. Serving goes on meanwhile. */
  export(): AsyncIterable<ExportedRow>;
  /** Puts rows into a store that holds no repository, in transactions of bounded size. Offline only. */
  import(rows: AsyncIterable<ExportedRow>): Promise<void>;
  /** Snapshots that are kept: what they name is not unlinked. */
  snapshots(): Awaitable<SnapshotRow[]>;
  addSnapshot(row: SnapshotRow): Promise<void>;
  dropSnapshot(name: string): Promise<void>;
  /** Sequence number of the newest change, 0 where there was none. */
  lastSequence(): Awaitable<number>;
}

export interface SnapshotRow {
  readonly name: string;
  /** Changes up to this one are in it. */
  readonly sequence: number;
  /** When the moment was that it shows. */
  readonly takenAt: Millis;
  readonly size: number;
}

/** One row of an export. `head` comes first and once; manifests come before the tags that point at them, blobs before who sees them. */
export type ExportedRow =
  | {
      readonly row: 'head';
      readonly sequence: number;
      readonly takenAt: Millis;
      /** Who the registry is among those that copy from each other; it goes on where its metadata goes. */
      readonly identity?: string;
    }
  | {
      readonly row: 'repository';
      readonly name: string;
      /** Versions of tags that nothing else is known of go on from here; 0 unless given. */
      readonly tagFloor?: number;
    }
  | {
      readonly row: 'blob';
      readonly digest: Digest;
      readonly size: number;
      readonly key: string;
      readonly createdAt: Millis;
      readonly damage?: string;
    }
  | { readonly row: 'visible'; readonly repository: string; readonly digest: Digest }
  | {
      readonly row: 'manifest';
      readonly repository: string;
      readonly digest: Digest;
      readonly mediaType: string;
      readonly bytes: Uint8Array;
      readonly edges: readonly { readonly kind: EdgeKind; readonly digest: Digest }[];
      readonly subject?: Digest;
      readonly artifactType?: string;
      readonly annotations?: Record<string, string>;
      readonly pushedAt: Millis;
      readonly pushedBy: string;
      readonly origin?: string;
      readonly pulledHour?: number;
      /** Bytes of the manifest, its config and its layers; what was written before this was kept has none. */
      readonly contentSize?: number;
    }
  | {
      readonly row: 'tag';
      readonly repository: string;
      readonly name: string;
      readonly digest: Digest;
      readonly version: number;
      readonly actor: string;
      readonly changedAt: Millis;
      readonly origin?: string;
    }
  | {
      readonly row: 'tombstone';
      readonly repository: string;
      readonly name: string;
      readonly digest: Digest;
      readonly version: number;
      readonly actor: string;
      readonly deletedAt: Millis;
      readonly origin?: string;
      /** `deleted` unless given. */
      readonly kind?: 'expired';
    }
  | {
      readonly row: 'rule';
      readonly kind: string;
      readonly name: string;
      readonly uid?: string;
      readonly generation: number;
      readonly document: string;
      readonly changedAt: Millis;
      readonly changedBy: string;
    }
  /** An image that expired and can still be restored. Of one that expired after the last export the journal knows no such thing. */
  | {
      readonly row: 'trash';
      readonly repository: string;
      readonly digest: Digest;
      readonly mediaType: string;
      readonly bytes: Uint8Array;
      readonly edges: readonly { readonly kind: EdgeKind; readonly digest: Digest }[];
      readonly subject?: Digest;
      readonly artifactType?: string;
      readonly annotations?: Record<string, string>;
      readonly pushedAt: Millis;
      readonly pushedBy: string;
      readonly origin?: string;
      readonly pulledHour?: number;
      readonly contentSize: number;
      readonly expiredAt: Millis;
      readonly until: Millis;
      readonly policy: string;
      readonly tags: readonly string[];
    };
