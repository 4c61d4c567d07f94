/** What one tag needs at one target: pure, and the only place where that is decided. */
import type { Digest } from '../oci/digest.ts';
import { isNewer, standOf } from './version.ts';

/** A tag as an endpoint tells of it; registries of this project tell versions and tombstones too. */
export interface TagState {
  readonly digest: Digest;
  readonly version?: number;
  readonly origin?: string;
  readonly deleted?: 'deleted' | 'expired';
  /** Digests of all that refers to the image, hashed; empty where nothing does, undefined where that is not known. */
  readonly referrers?: string;
}

/** What is remembered of the last copy of a tag to a target. */
export interface KnownCopy {
  readonly digest: Digest;
  readonly referrers?: string;
  /** Since when the source lacks the tag. */
  readonly missingSince?: number;
}

export interface TagQuestion {
  /** Undefined where the source has no such tag, its listing being complete. */
  readonly source: TagState | undefined;
  /** Undefined where the target has never had it, or does not tell. */
  readonly target: TagState | undefined;
  readonly copy: KnownCopy | undefined;
}

export interface TagPolicy {
  readonly onConflict: 'Override' | 'Skip' | 'Fail';
  /** Whether changes of the target come back to the source: the newer of two states stands then, whatever `onConflict` says. */
  readonly returns: boolean;
  /** Undefined: the target keeps what the source loses. Milliseconds that a tag must be gone. */
  readonly deletionDelay?: number;
  readonly referrers: boolean;
  readonly now: number;
}

export type CopyReason =
  /** The target does not have it. */
  | 'new'
  /** The source's tag points elsewhere since it was copied. */
  | 'moved'
  /** Somebody else moved or deleted the target's tag, and the rule overrides that. */
  | 'override'
  /** The tag is equal, and so is to be its version: the target's next change has to count from there, or it would lose. */
  | 'version'
  /** The tag is equal; signatures and the like may have come. */
  | 'referrers';

export type Decision =
  | { readonly action: 'none'; readonly reason: NoneReason }
  /** `versioned`: to be done only where it is newer than what the target has. */
  | { readonly action: 'copy'; readonly reason: CopyReason; readonly versioned: boolean }
  /** Nothing is to be copied, but this is to be remembered. */
  | { readonly action: 'note'; readonly missingSince?: number }
  /** Nothing is there to remember any more. */
  | { readonly action: 'forget' }
  | { readonly action: 'conflict'; readonly target: Digest | undefined }
  | { readonly action: 'delete'; readonly missingSince: number; readonly versioned: boolean };

export type NoneReason =
  | 'equal'
  /** The target has the newer state, which comes back by another way. */
  | 'settled'
  /** The target's retention expired just this image. */
  | 'expired'
  /** The source has it no more, and the rule keeps the target's. */
  | 'kept'
  /** The source has it no more; it is deleted once it was gone for long enough. */
  | 'waiting'
  /** The target's tag is not the one that was copied there. */
  | 'not-ours'
  | 'nowhere';

/** Decides for one tag that the rule selects. */
export function decide(question: TagQuestion, policy: TagPolicy): Decision {
  const { source } = question;
  return source === undefined || source.deleted !== undefined
    ? decideGone(question, policy)
    : decidePresent(source, question, policy);
}

function decidePresent(source: TagState, { target, copy }: TagQuestion, policy: TagPolicy): Decision {
  if (target === undefined) return copy === undefined ? copyAs('new', source, target) : moved(source, target, policy);
  if (target.deleted !== undefined) return decideBuried(source, target, copy, policy);
  if (target.digest === source.digest)
    return policy.returns && isAhead(source, target)
      ? copyAs('version', source, target)
      : decideEqual(source, copy, policy);
  if (policy.returns)
    return isAhead(source, target) ? copyAs('moved', source, target) : { action: 'none', reason: 'settled' };
  const ours = copy?.digest === target.digest || cameFromSource(source, target);
  return ours ? copyAs('moved', source, target) : moved(source, target, policy);
}

function decideEqual(source: TagState, copy: KnownCopy | undefined, policy: TagPolicy): Decision {
  const known = copy?.digest === source.digest ? (copy.referrers ?? '') : '';
  const followed = policy.referrers ? (source.referrers ?? known) : known;
  // Where nothing refers to the image any more there is nothing to bring.
  if (followed !== known && followed !== '') return { action: 'copy', reason: 'referrers', versioned: false };
  const noted = copy?.digest === source.digest && copy.missingSince === undefined && followed === known;
  return noted ? { action: 'none', reason: 'equal' } : { action: 'note' };
}

/** The target had the tag and lost it. */
function decideBuried(source: TagState, target: TagState, copy: KnownCopy | undefined, policy: TagPolicy): Decision {
  if (target.deleted === 'expired') {
    // What expired there goes there again once the source's tag has moved.
    if (target.digest === source.digest) return { action: 'none', reason: 'expired' };
    return copyAs('moved', source, target);
  }
  if (policy.returns && !isAhead(source, target)) return { action: 'none', reason: 'settled' };
  return copy === undefined || isAhead(source, target) ? copyAs('new', source, target) : moved(source, target, policy);
}

function decideGone({ source, target, copy }: TagQuestion, policy: TagPolicy): Decision {
  if (target === undefined || target.deleted !== undefined)
    return copy === undefined ? { action: 'none', reason: 'nowhere' } : { action: 'forget' };
  const { deletionDelay, returns, now } = policy;
  if (deletionDelay === undefined) return { action: 'none', reason: 'kept' };
  const buried = source !== undefined && isAhead(source, target);
  if (returns && !buried) return { action: 'none', reason: 'settled' };
  if (copy?.digest !== target.digest && !(returns && buried)) return { action: 'none', reason: 'not-ours' };
  if (copy?.missingSince === undefined) return { action: 'note', missingSince: now };
  if (now - copy.missingSince < deletionDelay) return { action: 'none', reason: 'waiting' };
  return { action: 'delete', missingSince: copy.missingSince, versioned: buried };
}

function moved(source: TagState, target: TagState | undefined, { onConflict }: TagPolicy): Decision {
  if (onConflict === 'Override') return copyAs('override', source, target);
  return { action: 'conflict', target: target?.deleted === undefined ? target?.digest : undefined };
}

function copyAs(reason: CopyReason, source: TagState, target: TagState | undefined): Decision {
  return { action: 'copy', reason, versioned: target === undefined || isAhead(source, target) };
}

/** Whether both sides tell versions and the source's is the newer one. */
function isAhead(source: TagState, target: TagState): boolean {
  const [one, other] = [standOf(source), standOf(target)];
  return one !== undefined && other !== undefined && isNewer(one, other);
}

/** An earlier state of the very tag, brought by a rule of which nothing is remembered. */
function cameFromSource(source: TagState, target: TagState): boolean {
  return source.origin !== undefined && source.origin === target.origin && isAhead(source, target);
}
