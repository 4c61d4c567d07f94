/** Which clusters a Registry waits for before a policy expires anything, as its spec says. Pure. */
import { parseSeconds } from './quantity.ts';
import type { RegistrySpec } from './resource.ts';

/** The name under which a cluster reports to its own Registries. */
export const localCluster = 'local';
const staleAfterByDefault = '15m';
/** Longest time between two reports, seconds, where nothing asks for less. */
export const longestInterval = 45;
/** A report may be late, and one may be lost. */
const reportsBeforeStale = 3;

/** The clusters whose reports a Registry waits for: its own unless the spec says otherwise. */
export function clustersOf({ inUse }: RegistrySpec): string[] {
  return inUse?.clusters?.map(({ name }) => name) ?? [localCluster];
}

/** Seconds past which a Registry calls a report stale. */
export function staleSeconds({ inUse }: RegistrySpec): number {
  return Math.max(1, parseSeconds(inUse?.staleAfter ?? staleAfterByDefault));
}

/** Whole seconds between two reports to a Registry. */
export function reportInterval(spec: RegistrySpec): number {
  return Math.min(longestInterval, Math.max(1, Math.floor(staleSeconds(spec) / reportsBeforeStale)));
}
