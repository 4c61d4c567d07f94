/** What a change of a rule's conditions is worth telling, as events. Pure. */
import type { EventInput } from '../runtime/events.ts';

interface Said {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** Types that are good when they are true. */
const good = new Set(['Ready', 'InSync']);

/** One event for each condition that turned or has another reason; none for what only goes on. */
export function newsOf(before: readonly Said[], after: readonly Said[]): EventInput[] {
  return after.flatMap((now) => {
    if (now.type === 'Reconciling' || now.type === 'Stalled' || now.status === 'Unknown') return [];
    const old = before.find(({ type }) => type === now.type);
    if (old?.status === now.status && old.reason === now.reason) return [];
    // Copying is what a rule is for: neither its beginning nor its end is news.
    if (now.reason === 'Copying' || (old?.reason === 'Copying' && now.status === 'True')) return [];
    const bad = good.has(now.type) ? now.status === 'False' : now.status === 'True';
    return [{ type: bad ? ('Warning' as const) : ('Normal' as const), reason: now.reason, note: now.message }];
  });
}
