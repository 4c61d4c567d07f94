/** What a value must reach (`floor`) and what we are after (`goal`). `most`: both are upper bounds. */
export interface Aim {
  readonly floor: number;
  readonly goal: number;
  readonly most?: boolean;
}

export type Verdict = 'goal' | 'floor held' | 'MISSED';

/** Where a value stands. What cannot be measured (NaN) has missed. */
export function verdict(value: number, { floor, goal, most = false }: Aim): Verdict {
  const reaches = (bound: number) => (most ? value <= bound : value >= bound);
  if (reaches(goal)) return 'goal';
  return reaches(floor) ? 'floor held' : 'MISSED';
}

const order: readonly Verdict[] = ['MISSED', 'floor held', 'goal'];

/** The worst of several; undefined where nothing was promised. */
export function worst(verdicts: readonly Verdict[]): Verdict | undefined {
  return order.find((candidate) => verdicts.includes(candidate));
}
