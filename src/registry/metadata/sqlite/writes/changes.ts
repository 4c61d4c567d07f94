import type { Digest } from '../../../../domain/oci/digest.ts';
import type { ChangeKind, Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';

export interface Change {
  readonly kind: ChangeKind;
  readonly at: Millis;
  readonly repository: string;
  readonly digest?: Digest;
  readonly tag?: string;
  readonly actor: string;
  readonly origin?: string | undefined;
  readonly version?: number;
  readonly tagOrigin?: string | null;
  readonly tombstone?: 'deleted' | 'expired';
  readonly rule?: string;
}

/** Appends to the change feed, in the transaction of what it tells. */
export function recordChange(connection: Connection, change: Change): void {
  connection.run(
    `INSERT INTO changes (at, kind, repository, digest, tag, actor, origin, version, tag_origin, tombstone, rule)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    change.at,
    change.kind,
    change.repository,
    change.digest ?? null,
    change.tag ?? null,
    change.actor,
    change.origin ?? null,
    change.version ?? null,
    change.tagOrigin ?? null,
    change.tombstone ?? null,
    change.rule ?? null,
  );
}
