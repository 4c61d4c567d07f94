// Made from crds/ne-registry.io_replicationrules.yaml by build/generate-types.ts: change it there, then `npm run generate`.
import type { ObjectMeta } from './object-meta.ts';

/**
 * A ReplicationRule keeps images of a source in step at one or more targets. Source and targets are all it needs; a
 * Registry in this namespace does the work.
 */
export interface ReplicationRule {
  apiVersion: 'ne-registry.io/v1alpha1';
  kind: 'ReplicationRule';
  metadata: ObjectMeta;
  spec: ReplicationRuleSpec;
  status?: ReplicationRuleStatus;
}

/** What is kept in step, where, and when. */
export interface ReplicationRuleSpec {
  /**
   * Where images come from: `host[:port]/path`, or `registry://NAME[.NAMESPACE]/path` for a Registry of this cluster.
   * The path may hold `*` (any part of a segment), `**` (any segments) and `?`, as in `ghcr.io/myorg/*`. There is no
   * tag in it; `select.tags` chooses tags.
   */
  source: string;
  /**
   * Where images go: `host[:port]/path`, or `registry://NAME[.NAMESPACE]/path`. Where the source's path holds a
   * pattern, what stands from the first segment with a pattern on is appended to the target's path.
   */
  targets: string[];
  /**
   * The Registry of this namespace whose pods do the work. By default the one that is source or target, else the only
   * one of the namespace; else a condition asks for it.
   */
  registryRef?: ReplicationRuleRegistryRef;
  /** How hosts of `source` and `targets` are reached, where they need credentials, an authority or a proxy. */
  connections?: ReplicationRuleConnection[];
  /** Which of the source's images are kept in step. By default all. */
  select?: ReplicationRuleSelect;
  /** What starts a copy besides `schedule`. */
  triggers?: ReplicationRuleTriggers;
  /**
   * When source and targets are compared whole, as five fields of cron, for example `0 *\/6 * * *`. By default every
   * hour.
   */
  schedule?: string;
  /**
   * Time zone of `schedule` and `triggers.window`, by its name in the IANA database, for example `Asia/Shanghai`. By
   * default `UTC`.
   */
  timeZone?: string;
  /** Whether signatures, SBOMs and other referrers go with their subject. By default true. */
  referrers?: boolean;
  /** What happens at a target when the source loses a tag. */
  deletion?: ReplicationRuleDeletion;
  /**
   * What happens when a target's tag was moved by somebody else. `Override` (the default) sets it to the source's
   * digest; `Skip` leaves it and the condition `Conflicted` says so; `Fail` also takes Ready away.
   */
  onConflict?: 'Override' | 'Skip' | 'Fail';
  /** How much of the network the rule may take. */
  transfer?: ReplicationRuleTransfer;
  /** How long the rule waits between attempts at what failed. It never gives up. */
  retry?: ReplicationRuleRetry;
  /** Stop copying; what is under way is cancelled. By default false. */
  suspend?: boolean;
  /** Plan, show the plan in `status.lastPlan`, and copy nothing. By default false. */
  dryRun?: boolean;
}

/**
 * The Registry of this namespace whose pods do the work. By default the one that is source or target, else the only one
 * of the namespace; else a condition asks for it.
 */
export interface ReplicationRuleRegistryRef {
  /** Name of the Registry. */
  name: string;
}

export interface ReplicationRuleConnection {
  /** The host as it stands in `source` or `targets`, with its port where there is one. */
  host: string;
  /**
   * Secret of type kubernetes.io/dockerconfigjson in this namespace. Its credentials go to this host and nowhere a
   * redirect points.
   */
  secretRef?: ReplicationRuleConnectionSecretRef;
  /** Certificates in PEM of the authorities that the host's certificate is checked against. By default the system's. */
  caBundle?: string;
  /** Speak plain HTTP with this host. By default false. */
  insecure?: boolean;
  /**
   * URL of an HTTP proxy, for example `http://proxy.example:3128`. By default what the registry's pods are set up with.
   */
  proxy?: string;
}

/**
 * Secret of type kubernetes.io/dockerconfigjson in this namespace. Its credentials go to this host and nowhere a
 * redirect points.
 */
export interface ReplicationRuleConnectionSecretRef {
  /** Name of the Secret. */
  name: string;
}

/** Which of the source's images are kept in step. By default all. */
export interface ReplicationRuleSelect {
  /** Which tags. All that is set must hold. By default all. */
  tags?: ReplicationRuleSelectTags;
  /**
   * Platforms of multi-platform images, for example `linux/amd64` or `linux/arm64/v8`. The index keeps its digest;
   * children for other platforms are not copied. By default all.
   */
  platforms?: string[];
  /** Media types of artifacts (`artifactType`, or of the config where there is none), with `*`. By default all. */
  artifactTypes?: string[];
}

/** Which tags. All that is set must hold. By default all. */
export interface ReplicationRuleSelectTags {
  /** Tags, or patterns with `*` and `?`; one must match. By default every tag matches. */
  include?: string[];
  /** Tags, or patterns with `*` and `?`, that are left out, whatever `include` says. */
  exclude?: string[];
  /** A range of semantic versions, for example `>=1.2.0 <2.0.0` or `^1.4`. Tags that are no version do not match. */
  semver?: string;
  /** Only the N tags that were pushed last, of those that match. */
  newest?: number;
  /** Only tags that were pushed within this time, for example `30d`. */
  pushedWithin?: string;
}

/** What starts a copy besides `schedule`. */
export interface ReplicationRuleTriggers {
  /** Whether a push to the source starts a copy at once. Needs a Registry as source. By default true there. */
  onPush?: boolean;
  /** Time of day in which copies run; what comes up outside of it waits. By default always. */
  window?: ReplicationRuleTriggersWindow;
}

/** Time of day in which copies run; what comes up outside of it waits. By default always. */
export interface ReplicationRuleTriggersWindow {
  /** When it opens, for example `22:00`, in `timeZone`. */
  start: string;
  /** When it closes, for example `06:00`; earlier than `start` means on the next day. */
  end: string;
}

/** What happens at a target when the source loses a tag. */
export interface ReplicationRuleDeletion {
  /**
   * `Ignore` (the default) keeps the target's tag; `Propagate` deletes it, after two complete listings of the source.
   */
  policy?: 'Ignore' | 'Propagate';
  /**
   * How many tags one run may delete; with more it deletes none and the condition `DeletionHalted` says so. By default
   * 100.
   */
  maxPerRun?: number;
  /** How long a tag must be gone at the source before it is deleted, for example `1h` (the default). */
  delay?: string;
}

/** How much of the network the rule may take. */
export interface ReplicationRuleTransfer {
  /** Bytes a second for the whole rule, for example `50Mi`. By default there is no limit. */
  bandwidth?: string;
  /** Blobs that are copied at once. By default 4. */
  concurrency?: number;
}

/** How long the rule waits between attempts at what failed. It never gives up. */
export interface ReplicationRuleRetry {
  /** Wait after the first failure; it doubles with each further one. By default `1s`. */
  minInterval?: string;
  /** Longest wait. By default `5m`. */
  maxInterval?: string;
}

/** How far source and targets are in step. Written by the operator alone. */
export interface ReplicationRuleStatus {
  /** The `metadata.generation` that this status speaks of; -1 before the operator has seen the object. */
  observedGeneration?: number;
  /**
   * `Ready`, `Reconciling`, `Stalled`, `InSync`, `Conflicted`, `DeletionHalted`. See
   * docs/spec/v1alpha1/replication-rule.md for every reason.
   */
  conditions?: ReplicationRuleStatusCondition[];
  /** Value of the annotation `ne-registry.io/reconcile-at` that was last acted upon. */
  lastHandledReconcileAt?: string;
  /** One entry for each of `spec.targets`. */
  targets?: ReplicationRuleStatusTarget[];
  /** When source and targets are next compared whole. */
  nextSchedule?: string;
  /** What the last comparison found to do. */
  lastPlan?: ReplicationRuleStatusLastPlan;
}

export interface ReplicationRuleStatusCondition {
  /** What the condition is about. */
  type: string;
  /** Whether it holds. */
  status: 'True' | 'False' | 'Unknown';
  /** The `metadata.generation` that it was judged for. */
  observedGeneration?: number;
  /** When `status` last changed. */
  lastTransitionTime: string;
  /** Why, in one word, for programs. */
  reason: string;
  /** Why, and what to do next, for people. */
  message: string;
}

export interface ReplicationRuleStatusTarget {
  /** The target, as the spec names it. */
  target: string;
  /** When it last had all that it should. */
  lastSuccess?: string;
  /** Since when the oldest change waits that it does not have yet. Absent when nothing waits. */
  oldestPendingSince?: string;
  /** How many tags wait. */
  pending?: number;
  /** How many of them failed at the last attempt. */
  failed?: number;
  /** How many tags somebody else moved. */
  conflicts?: number;
  /** Bytes sent to it since the rule was made. */
  bytesTransferred?: number;
  /** The first failures. */
  failures?: ReplicationRuleStatusTargetFailure[];
}

export interface ReplicationRuleStatusTargetFailure {
  /** What could not be copied, `repository:tag` or `repository@digest`. */
  reference: string;
  /** Why, in one word, for programs. */
  reason: string;
  /** Why, and what to do next, for people. */
  message: string;
  /** When it last failed. */
  time?: string;
}

/** What the last comparison found to do. */
export interface ReplicationRuleStatusLastPlan {
  /** When it was made. */
  time?: string;
  /** How many tags are to be copied, over all targets. */
  copy?: number;
  /** How many tags are to be deleted, over all targets. */
  delete?: number;
  /** How many tags are equal already. */
  unchanged?: number;
  /** Bytes to transfer at most; blobs that a target has already cross the network no more. */
  bytes?: number;
}
