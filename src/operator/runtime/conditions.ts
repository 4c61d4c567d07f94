/** `metav1.Condition`. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  observedGeneration?: number;
  /** RFC 3339 with whole seconds, UTC. */
  lastTransitionTime: string;
}

/** A condition before it is known whether its status moved. */
export type ConditionInput = Omit<Condition, 'lastTransitionTime'>;

/** How an object stands, in the words of kstatus. */
export interface Standing {
  state: 'progressing' | 'failing' | 'stalled' | 'ready';
  /** CamelCase. */
  reason: string;
  message: string;
}

/**
 * The conditions that say so (kstatus, so that Argo CD, Flux, `kubectl wait` and Helm agree). Progressing: Ready=Unknown
 * and Reconciling=True. Failing but retrying: Ready=False and Reconciling=True. Stalled: Ready=False and Stalled=True.
 * Ready: Ready=True, the others absent.
 */
export function standingConditions(standing: Standing, observedGeneration: number): ConditionInput[] {
  const { state, reason, message } = standing;
  const condition = (type: string, status: Condition['status']): ConditionInput => ({
    type,
    status,
    reason,
    message,
    observedGeneration,
  });
  switch (state) {
    case 'progressing':
      return [condition('Ready', 'Unknown'), condition('Reconciling', 'True')];
    case 'failing':
      return [condition('Ready', 'False'), condition('Reconciling', 'True')];
    case 'stalled':
      return [condition('Ready', 'False'), condition('Stalled', 'True')];
    case 'ready':
      return [condition('Ready', 'True')];
  }
}

/**
 * Gives each condition its `lastTransitionTime`: the previous one while the status is the same, else `now`. The result
 * is in order of type, so that equal conditions are equal JSON.
 */
export function settleConditions(
  previous: readonly Condition[],
  next: readonly ConditionInput[],
  now: Date,
): Condition[] {
  const before = new Map(previous.map((condition) => [condition.type, condition]));
  return next
    .map((condition) => {
      const old = before.get(condition.type);
      const moved = old === undefined || old.status !== condition.status;
      return { ...condition, lastTransitionTime: moved ? rfc3339(now) : old.lastTransitionTime };
    })
    .sort((a, b) => (a.type < b.type ? -1 : 1));
}

/** `metav1.Time`: RFC 3339, UTC, whole seconds. */
export function rfc3339(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
