import type { Endpoint } from './endpoint.ts';
import type { Matcher } from './pattern.ts';
import type { RetryWaits } from './retry.ts';
import type { TagSelection } from './select.ts';
import type { Window } from './window.ts';

/** What a ReplicationRule says, with every default filled in. Times in milliseconds. */
export interface ReplicationRule {
  readonly source: Endpoint;
  readonly targets: readonly Endpoint[];
  readonly tags: TagSelection;
  /** `os/architecture[/variant]`; empty means all. */
  readonly platforms: readonly string[];
  /** Empty means all. */
  readonly artifactTypes: readonly Matcher[];
  /** Undefined: where the source is a registry that tells. */
  readonly onPush?: boolean;
  readonly window?: Window;
  /** Five fields of cron, in `timeZone`. */
  readonly schedule: string;
  readonly timeZone: string;
  readonly referrers: boolean;
  /** Undefined where the target keeps what the source loses. */
  readonly deletion?: { readonly maxPerRun: number; readonly delay: number };
  readonly onConflict: 'Override' | 'Skip' | 'Fail';
  /** Bytes a second of the whole rule. */
  readonly bandwidth?: number;
  /** Blobs at once. */
  readonly concurrency: number;
  readonly retry: RetryWaits;
  readonly suspend: boolean;
  readonly dryRun: boolean;
}

/** A rule that cannot be carried out as it is. */
export class InvalidRule extends Error {
  /** Each names its field. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.name = 'InvalidRule';
    this.problems = problems;
  }
}
