import type { KubeObject } from '../kube/object.ts';

/** `coordination.k8s.io/v1` Lease. */
export interface Lease extends KubeObject {
  apiVersion: 'coordination.k8s.io/v1';
  kind: 'Lease';
  spec?: LeaseSpec;
}

export interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  /** MicroTime, as `renewTime`. */
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

/** `metav1.MicroTime`: RFC 3339, UTC, exactly six fractional digits; anything else is refused by the API server. */
export function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}

/** The lease as its new or renewing holder writes it. */
export function heldBy(lease: Lease, holder: { identity: string; leaseSeconds: number; now: Date }): Lease {
  const renewing = lease.spec?.holderIdentity === holder.identity;
  const acquired = renewing ? lease.spec?.acquireTime : undefined;
  return {
    ...lease,
    spec: {
      ...lease.spec,
      holderIdentity: holder.identity,
      leaseDurationSeconds: holder.leaseSeconds,
      acquireTime: acquired ?? microTime(holder.now),
      renewTime: microTime(holder.now),
      leaseTransitions: (lease.spec?.leaseTransitions ?? 0) + (renewing ? 0 : 1),
    },
  };
}

/** The lease as its holder leaves it: free for anyone at once. */
export function released(lease: Lease, now: Date): Lease {
  return {
    ...lease,
    spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(now) },
  };
}

/**
 * What somebody watching a lease knows of it. Clocks differ between machines, so a lease ends one lease time after *we*
 * saw its record change, never by the times written in it.
 */
export class ObservedLease {
  #record = '';
  #seenMs = 0;

  /** Notes the record as read at `nowMs` (monotonic). */
  observe(lease: Lease, nowMs: number): void {
    const record = JSON.stringify(lease.spec ?? {});
    if (record === this.#record) return;
    this.#record = record;
    this.#seenMs = nowMs;
  }

  /** Milliseconds until somebody else may take the lease last observed. */
  msUntilFree(lease: Lease, nowMs: number): number {
    if (!lease.spec?.holderIdentity) return 0;
    return this.#seenMs + (lease.spec.leaseDurationSeconds ?? 0) * 1000 - nowMs;
  }
}
