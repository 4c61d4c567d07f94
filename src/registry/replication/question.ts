/** What is asked and decided for tags of one repository at one target. */
import type { Digest } from '../../domain/oci/digest.ts';
import { type Decision, decide, type TagPolicy, type TagState } from '../../domain/replication/decide.ts';
import type { ReplicationRule } from '../../domain/replication/rule.ts';
import type { CopyRow } from '../metadata/replicating.ts';
import type { ListedTag } from './side.ts';

export interface TagViews {
  readonly source: ListedTag | undefined;
  readonly target: ListedTag | undefined;
  readonly copy: CopyRow | undefined;
}

/** A target that lists names alone is taken to have what was copied there last. */
export function decideTag(views: TagViews, policy: TagPolicy): Decision {
  const { source, target, copy } = views;
  return decide({ source: stateOf(source), target: stateOf(target, copy?.digest), copy }, policy);
}

export function policyOf(rule: ReplicationRule, returns: boolean, now: number): TagPolicy {
  const { onConflict, deletion, referrers } = rule;
  return { onConflict, returns, referrers, now, ...(deletion && { deletionDelay: deletion.delay }) };
}

function stateOf(tag: ListedTag | undefined, otherwise?: Digest): TagState | undefined {
  const digest = tag?.digest ?? (tag === undefined ? undefined : otherwise);
  return tag === undefined || digest === undefined ? undefined : { ...tag, digest };
}
