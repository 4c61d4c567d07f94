/** A lifecycle policy as data. Source: AWS, "Lifecycle policy parameters" (Amazon ECR user guide), and its examples. */

export type TagRequirement =
  /** Every pattern must match one of the image's tags. A prefix `prod` is the pattern `prod*`. */
  | {
      readonly tagStatus: 'tagged';
      readonly patterns: readonly string[];
      readonly list: 'tagPatternList' | 'tagPrefixList';
    }
  | { readonly tagStatus: 'untagged' }
  | { readonly tagStatus: 'any' };

export type Count =
  /** The newest `number` are kept. */
  | { readonly type: 'imageCountMoreThan'; readonly number: number }
  /** What happened strictly more than `number` days ago is past the count. */
  | {
      readonly type: 'sinceImagePushed' | 'sinceImagePulled' | 'sinceImageTransitioned';
      readonly number: number;
    };

export type StorageClass = 'standard' | 'archive';

export interface Rule {
  /** Lower is stronger; unique in a policy. */
  readonly priority: number;
  readonly description?: string;
  readonly tags: TagRequirement;
  readonly count: Count;
  /** Rules for the archive select nothing: every image here is in standard storage. */
  readonly storageClass: StorageClass;
  readonly action: 'expire' | 'transition';
}

/** Images that stay whatever the rules say. */
export interface Protection {
  /** Patterns with `*` and `?`, of which one must match one tag. */
  readonly tags?: readonly string[];
  /** So many images that were pushed last. */
  readonly newest?: number;
  /** Milliseconds. */
  readonly pulledWithin?: number;
}

export interface Policy {
  /** Strongest first. */
  readonly rules: readonly Rule[];
  readonly protect?: Protection;
}

/** A policy that is refused as a whole, with everything that is wrong with it. */
export class InvalidPolicy extends Error {
  /** One line each, naming rule and field. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the lifecycle policy is not valid: ${problems.join('; ')}`);
    this.name = 'InvalidPolicy';
    this.problems = problems;
  }
}
