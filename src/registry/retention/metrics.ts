import type { MetricsRegistry } from '../../platform/metrics.ts';
import { Counter, Gauge, Histogram } from '../../platform/prometheus.ts';
import type { Clusters } from './clusters.ts';

export interface RetentionMetrics {
  expired(policy: string, images: number): void;
  /** A policy was evaluated. */
  evaluated(policy: string, plan: { seconds: number; expiring: number; blockedInUse: number }): void;
  /** These are all the policies there are. */
  keepOnly(policies: readonly string[]): void;
}

/** Seconds; from a repository of a few images to all of a large registry. */
const buckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200];

/** Policies are few and named by people; no repository, tag or digest is in a label. */
export function createRetentionMetrics(
  register: MetricsRegistry,
  { clusters, now }: { clusters: Clusters; now: () => number },
): RetentionMetrics {
  const registers = [register];
  const labelNames = ['policy'] as const;
  const expired = new Counter({
    name: 'ne_retention_expired_total',
    help: 'Images that policies expired, by policy.',
    labelNames,
    registers,
  });
  const blocked = new Gauge({
    name: 'ne_retention_blocked_in_use',
    help: 'Images that a rule would have expired at the last evaluation, but that a cluster uses, by policy.',
    labelNames,
    registers,
  });
  const planned = new Gauge({
    name: 'ne_retention_plan_images',
    help: 'Images that the last plan expires, by policy.',
    labelNames,
    registers,
  });
  const seconds = new Histogram({
    name: 'ne_retention_evaluation_seconds',
    help: 'Time that the evaluation of a policy took, what it expired included.',
    buckets,
    registers,
  });
  reportAges(register, clusters, now);
  const known = new Set<string>();
  return {
    expired(policy, images) {
      known.add(policy);
      expired.inc({ policy }, images);
    },
    evaluated(policy, plan) {
      known.add(policy);
      seconds.observe(plan.seconds);
      planned.set({ policy }, plan.expiring);
      blocked.set({ policy }, plan.blockedInUse);
    },
    keepOnly(policies) {
      for (const policy of known) {
        if (policies.includes(policy)) continue;
        known.delete(policy);
        for (const metric of [expired, blocked, planned]) metric.remove({ policy });
      }
    },
  };
}

/** One series for each listed cluster that has reported; 512 at most. */
function reportAges(register: MetricsRegistry, clusters: Clusters, now: () => number): void {
  new Gauge({
    name: 'ne_inuse_inventory_age_seconds',
    help: 'Seconds since each listed cluster last reported what it runs, by the clock of this registry.',
    labelNames: ['cluster'] as const,
    registers: [register],
    async collect() {
      const listed = await clusters.listed().catch(() => undefined);
      if (listed === undefined) return;
      this.reset();
      for (const { name, report } of listed)
        if (report !== undefined) this.set({ cluster: name }, Math.max(0, now() - report.receivedAt) / 1000);
    },
  });
}
