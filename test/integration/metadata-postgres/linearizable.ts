/** Whether a history of one tag could have happened one call after the other. */

export type Call =
  | { readonly do: 'read'; readonly saw: string | undefined }
  | { readonly do: 'write'; readonly value: string; readonly only: Condition; readonly result: Result }
  | { readonly do: 'delete'; readonly found: boolean };
export type Condition = 'always' | 'absent' | 'create' | { readonly is: string };
export type Result = 'stored' | { readonly current: string | undefined };

export interface Event {
  readonly call: Call;
  /** When it was issued and answered. */
  readonly from: number;
  readonly to: number;
}

/**
 * Wing and Gong's search: takes any call that no other one must precede, where its answer fits the state, and goes on from there.
 * What was tried already (the calls that are left, and the state) is not tried again.
 */
export function isLinearizable(history: readonly Event[]): boolean {
  const events = [...history].sort((a, b) => a.from - b.from);
  const tried = new Set<string>();
  const search = (left: readonly number[], state: string | undefined): boolean => {
    if (left.length === 0) return true;
    const key = `${left.join()}|${state}`;
    if (tried.has(key)) return false;
    tried.add(key);
    const firstAnswer = Math.min(...left.map((at) => events[at]?.to ?? 0));
    return left.some((at) => {
      const event = events[at];
      if (event === undefined || event.from > firstAnswer) return false;
      const next = step(event.call, state);
      return (
        next !== undefined &&
        search(
          left.filter((other) => other !== at),
          next.state,
        )
      );
    });
  };
  return search([...events.keys()], undefined);
}

/** The state after a call, undefined where its answer does not fit the state before. */
function step(call: Call, state: string | undefined): { state: string | undefined } | undefined {
  switch (call.do) {
    case 'read':
      return call.saw === state ? { state } : undefined;
    case 'delete':
      return call.found === (state !== undefined) ? { state: undefined } : undefined;
    case 'write': {
      const fits = holds(call, state);
      if (call.result === 'stored') return fits ? { state: call.value } : undefined;
      return !fits && call.result.current === state ? { state } : undefined;
    }
  }
}

function holds({ only, value }: Call & { do: 'write' }, state: string | undefined): boolean {
  if (only === 'always') return true;
  if (only === 'absent') return state === undefined;
  if (only === 'create') return state === undefined || state === value;
  return state === only.is;
}
