import type { Action } from './action.ts';

/** Who asks, as far as the built-in rules tell callers apart. */
export type Role = 'anonymous' | 'user' | 'administrator';

/** What callers without credentials may do: nothing, pull, or pull and push. */
export type AnonymousAccess = 'None' | 'Pull' | 'Push';

export interface Question {
  readonly role: Role;
  readonly action: Action;
  readonly anonymousAccess: AnonymousAccess;
}

export interface Decision {
  readonly allowed: boolean;
  /** Which rule decided, for logs and for `explain`. */
  readonly reason: string;
}

const reading: readonly Action[] = ['Pull', 'List', 'Mount'];
const writing: readonly Action[] = ['PushBlob', 'CreateTag', 'OverwriteTag', 'AttachReferrer'];
const anonymousActions: Record<AnonymousAccess, ReadonlySet<Action>> = {
  None: new Set(),
  Pull: new Set(reading.filter((action) => action !== 'Mount')),
  Push: new Set([...reading, ...writing]),
};
const administration: ReadonlySet<Action> = new Set(['Admin', 'ReadAudit']);

/**
 * The built-in rules: nobody unnamed does more than `anonymousAccess` says, every user may do everything with content,
 * administrators everything. Never more: what no rule allows is denied.
 */
export function decide({ role, action, anonymousAccess }: Question): Decision {
  if (role === 'administrator') return { allowed: true, reason: 'administrators may do everything' };
  if (role === 'user') {
    return administration.has(action)
      ? { allowed: false, reason: `${action} is for administrators` }
      : { allowed: true, reason: 'users may do everything with content' };
  }
  return anonymousActions[anonymousAccess].has(action)
    ? { allowed: true, reason: `anonymous access is ${anonymousAccess}` }
    : { allowed: false, reason: `anonymous access is ${anonymousAccess}, which does not include ${action}` };
}
