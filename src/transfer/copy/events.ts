import type { Digest } from '../../domain/oci/digest.ts';

/** What became of a blob: `present` was there already, `absent` may be missing at both sides (a foreign layer). */
export type BlobState = 'started' | 'moving' | 'copied' | 'mounted' | 'present' | 'absent';

/** What a copy tells while it goes on. Sizes in bytes. */
export type CopyEvent =
  | { readonly kind: 'plan'; readonly blobs: number; readonly bytes: number; readonly manifests: number }
  | {
      readonly kind: 'blob';
      readonly digest: Digest;
      readonly size: number;
      readonly state: BlobState;
      readonly done: number;
    }
  | { readonly kind: 'manifest'; readonly digest: Digest; readonly state: 'copied' | 'present' }
  | { readonly kind: 'tag'; readonly tag: string; readonly digest: Digest; readonly state: 'set' | 'unchanged' };

export type OnCopyEvent = (event: CopyEvent) => void;
