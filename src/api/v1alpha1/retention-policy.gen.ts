// Made from crds/ne-registry.io_retentionpolicies.yaml by build/generate-types.ts: change it there, then `npm run generate`.
import type { ObjectMeta } from './object-meta.ts';

/**
 * A RetentionPolicy says which images of a Registry expire, with the semantics of Amazon ECR's lifecycle policies. What
 * runs in a cluster that reports to the Registry never expires.
 */
export interface RetentionPolicy {
  apiVersion: 'ne-registry.io/v1alpha1';
  kind: 'RetentionPolicy';
  metadata: ObjectMeta;
  spec: RetentionPolicySpec;
  status?: RetentionPolicyStatus;
}

/** Which images expire, when, and what is kept in any case. */
export interface RetentionPolicySpec {
  /** The Registry of this namespace that the policy is for. By default the only one there. */
  registryRef?: RetentionPolicyRegistryRef;
  /**
   * Which repositories. Where several policies select one, the most specific wins: a literal name, then the longer
   * literal prefix, then fewer wildcards; of equal ones neither acts, and a condition says so.
   */
  repositories: RetentionPolicyRepositories;
  /** Rules of ECR's lifecycle policies, as YAML. Not together with `lifecyclePolicyText`. */
  rules?: RetentionPolicyRule[];
  /** A lifecycle policy of ECR, its JSON pasted as it is. Not together with `rules`. */
  lifecyclePolicyText?: string;
  /** Images that stay whatever the rules say. One of these is enough. */
  protect?: RetentionPolicyProtect;
  /**
   * `Enforce` (the default) expires what the plan says; `DryRun` only shows the plan; `Approve` freezes it until
   * `approvedPlan` carries its hash.
   */
  mode?: 'Enforce' | 'DryRun' | 'Approve';
  /**
   * Hash of the plan (`status.plan.hash`) that may be applied, in mode `Approve`. Less is applied where images became
   * protected meanwhile, never more.
   */
  approvedPlan?: string;
  /** When the policy is evaluated, as five fields of cron, for example `0 2 * * *` (the default). */
  schedule?: string;
  /** Time zone of `schedule`, by its name in the IANA database, for example `Asia/Shanghai`. By default `UTC`. */
  timeZone?: string;
  /** How long an expired image can be restored (`ne-cli retention restore`), bytes included. By default `24h`. */
  restoreWindow?: string;
  /** Stop evaluating and expiring. By default false. */
  suspend?: boolean;
}

/** The Registry of this namespace that the policy is for. By default the only one there. */
export interface RetentionPolicyRegistryRef {
  /** Name of the Registry. */
  name: string;
}

/**
 * Which repositories. Where several policies select one, the most specific wins: a literal name, then the longer
 * literal prefix, then fewer wildcards; of equal ones neither acts, and a condition says so.
 */
export interface RetentionPolicyRepositories {
  /**
   * Names, or patterns with `*` (any part of a segment), `**` (any segments) and `?`; one must match. `**` is every
   * repository.
   */
  include: string[];
  /** Names, or patterns, that are left out, whatever `include` says. */
  exclude?: string[];
}

export interface RetentionPolicyRule {
  /** Order of the rules; a lower number is stronger. Gaps are allowed. */
  rulePriority: number;
  /** What the rule is for. */
  description?: string;
  /** Which images the rule speaks of. */
  selection: RetentionPolicyRuleSelection;
  /** What happens to the images that are past the count. */
  action: RetentionPolicyRuleAction;
}

/** Which images the rule speaks of. */
export interface RetentionPolicyRuleSelection {
  /** Whether images with tags, without tags, or all. */
  tagStatus: 'tagged' | 'untagged' | 'any';
  /** Patterns with `*`, for example `prod*`; each must match one of the image's tags. With tagStatus `tagged`. */
  tagPatternList?: string[];
  /** Prefixes, for example `prod`; each must begin one of the image's tags. With tagStatus `tagged`. */
  tagPrefixList?: string[];
  /** What is counted. `sinceImagePulled` of an image that was never pulled counts from its push. */
  countType: 'imageCountMoreThan' | 'sinceImagePushed' | 'sinceImagePulled' | 'sinceImageTransitioned';
  /** Unit of `countNumber` for ages; not with `imageCountMoreThan`. */
  countUnit?: 'days';
  /** How many images are kept (the newest), or past how many days an image expires. */
  countNumber: number;
  /** Storage class of the images. There is no archive here; rules for it act on nothing. By default `standard`. */
  storageClass?: 'standard' | 'archive';
}

/** What happens to the images that are past the count. */
export interface RetentionPolicyRuleAction {
  /**
   * `expire`. `transition` (to ECR's archive) is understood, but there is no archive: its images are kept, and a
   * condition says so.
   */
  type: 'expire' | 'transition';
  /** Where `transition` would move images. */
  targetStorageClass?: 'archive';
}

/** Images that stay whatever the rules say. One of these is enough. */
export interface RetentionPolicyProtect {
  /** Tags, or patterns with `*`, for example `release-*`. */
  tags?: string[];
  /** The N images of each repository that were pushed last. */
  newest?: number;
  /** Images that were pulled within this time, for example `30d`. */
  pulledWithin?: string;
}

/** What the policy planned and did. Written by the operator alone. */
export interface RetentionPolicyStatus {
  /** The `metadata.generation` that this status speaks of; -1 before the operator has seen the object. */
  observedGeneration?: number;
  /** `Ready`, `Reconciling`, `Stalled`, and warnings. See docs/spec/v1alpha1/retention-policy.md for every reason. */
  conditions?: RetentionPolicyStatusCondition[];
  /** Value of the annotation `ne-registry.io/reconcile-at` that was last acted upon. */
  lastHandledReconcileAt?: string;
  /** When the policy was last evaluated. */
  lastEvaluation?: string;
  /** When it is evaluated next. */
  nextEvaluation?: string;
  /** The last plan. */
  plan?: RetentionPolicyStatusPlan;
  /** What the policy did since it was made. */
  totals?: RetentionPolicyStatusTotals;
  /**
   * What is known of the images that clusters use. Times and counts are as of the last evaluation, or of the last
   * change that matters, since reports come every minute.
   */
  inUse?: RetentionPolicyStatusInUse;
}

export interface RetentionPolicyStatusCondition {
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

/** The last plan. */
export interface RetentionPolicyStatusPlan {
  /** Hash of the set of images that it expires; what `spec.approvedPlan` takes. */
  hash?: string;
  /** When it was made. */
  createdAt?: string;
  /** Until when it can be approved. */
  expiresAt?: string;
  /** How many images it expires. */
  expiring?: number;
  /** How many images it keeps. */
  keeping?: number;
  /** How many images a rule would expire, but a cluster uses. */
  blockedInUse?: number;
  /** Bytes that would be free afterwards. */
  expiringBytes?: number;
  /** Where the whole plan is. */
  url?: string;
  /** The first hundred images that expire, with reasons. */
  images?: RetentionPolicyStatusPlanImage[];
}

export interface RetentionPolicyStatusPlanImage {
  /** Name of the repository. */
  repository: string;
  /** Digest of the image. */
  digest: string;
  /** Its first ten tags. */
  tags?: string[];
  /** The rule that expires it. */
  rulePriority?: number;
  /** Why. */
  reason?: string;
  /** When it was pushed. */
  pushedAt?: string;
  /** Its size, what it shares with others included. */
  sizeBytes?: number;
}

/** What the policy did since it was made. */
export interface RetentionPolicyStatusTotals {
  /** Images that it expired. */
  expired?: number;
  /** Bytes of theirs. */
  expiredBytes?: number;
  /** Times that a rule would have expired an image that a cluster uses. */
  blockedInUse?: number;
}

/**
 * What is known of the images that clusters use. Times and counts are as of the last evaluation, or of the last change
 * that matters, since reports come every minute.
 */
export interface RetentionPolicyStatusInUse {
  /** The clusters of the Registry's `spec.inUse.clusters`. */
  clusters?: RetentionPolicyStatusInUseCluster[];
}

export interface RetentionPolicyStatusInUseCluster {
  /** Name of the cluster. */
  name: string;
  /** When it last reported. Absent before its first report, and nothing expires until then. */
  reportedAt?: string;
  /** Whether that report is too old. What it named, and all that was pulled since, stays. */
  stale?: boolean;
  /** How many digests it named. */
  images?: number;
  /** The namespaces that its inventory covers, where it does not cover the whole cluster. */
  namespaces?: string[];
}
