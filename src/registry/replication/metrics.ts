import type { MetricsRegistry } from '../../platform/metrics.ts';
import { Counter, Gauge } from '../../platform/prometheus.ts';

export interface ReplicationMetrics {
  sent(rule: string, target: string, bytes: number): void;
  failed(rule: string, reason: string): void;
  /** The rule is gone, or these targets of it. */
  forget(rule: string, targets: readonly string[]): void;
}

/** One target of a rule, as somebody scrapes. */
export interface TargetFigures {
  readonly rule: string;
  readonly target: string;
  /** Seconds; 0 where nothing waits. */
  readonly lag: number;
  /** Seconds since the epoch. */
  readonly lastSuccess?: number;
  readonly pending: number;
  readonly pendingBytes: number;
  readonly conflicts: number;
}

export interface RuleFigures {
  readonly targets: readonly TargetFigures[];
  readonly halted: readonly { readonly rule: string; readonly tags: number }[];
}

const labels = ['rule', 'target'] as const;

/** @param figures of the rules that this process works at */
export function createReplicationMetrics(register: MetricsRegistry, figures: () => RuleFigures): ReplicationMetrics {
  const registers = [register];
  const perTarget = (name: string, help: string, value: (target: TargetFigures) => number | undefined) =>
    new Gauge({
      name: `ne_replication_${name}`,
      help,
      labelNames: labels,
      registers,
      collect() {
        this.reset();
        for (const figure of figures().targets) {
          const at = value(figure);
          if (at !== undefined) this.set({ rule: figure.rule, target: figure.target }, at);
        }
      },
    });
  perTarget(
    'lag_seconds',
    'Since when the oldest change waits that the target does not have; 0 where none waits.',
    ({ lag }) => lag,
  );
  perTarget(
    'last_success_timestamp_seconds',
    'When the target last had all that it should, seconds since the epoch.',
    ({ lastSuccess }) => lastSuccess,
  );
  perTarget('pending_tags', 'Tags that wait to be copied.', ({ pending }) => pending);
  perTarget(
    'pending_bytes',
    'Bytes of images under way that are still to be sent, at most.',
    ({ pendingBytes }) => pendingBytes,
  );
  perTarget('conflicts', 'Tags of the target that somebody else moved.', ({ conflicts }) => conflicts);
  new Gauge({
    name: 'ne_replication_deletions_halted',
    help: 'Tags that were to be deleted and were not, because they were more than deletion.maxPerRun.',
    labelNames: ['rule'] as const,
    registers,
    collect() {
      this.reset();
      for (const { rule, tags } of figures().halted) this.set({ rule }, tags);
    },
  });
  const sent = new Counter({
    name: 'ne_replication_transferred_bytes_total',
    help: 'Bytes of blobs that were sent.',
    labelNames: labels,
    registers,
  });
  const failed = new Counter({
    name: 'ne_replication_failures_total',
    help: 'Attempts that failed, by reason.',
    labelNames: ['rule', 'reason'] as const,
    registers,
  });
  const reasons = new Map<string, Set<string>>();
  return {
    sent: (rule, target, bytes) => sent.inc({ rule, target }, bytes),
    failed(rule, reason) {
      failed.inc({ rule, reason });
      const known = reasons.get(rule) ?? new Set();
      reasons.set(rule, known.add(reason));
    },
    forget(rule, targets) {
      for (const target of targets) sent.remove({ rule, target });
      for (const reason of reasons.get(rule) ?? []) failed.remove({ rule, reason });
      reasons.delete(rule);
    },
  };
}
