import type { Outcome, Pass, Work } from '../jobs/work.ts';
import { runJob } from './keeper.ts';
import type { RetentionParts } from './parts.ts';
import type { Agenda } from './policies.ts';
import type { PolicyRule } from './policy-rule.ts';

/** Milliseconds between two looks at the policies, where none is due before, and nobody asks. */
const APART = 300_000;
/** The same while there is something in the trash. */
const TRASH_APART = 60_000;
/** For so long whoever takes a request to evaluate a policy may take to note it, milliseconds. */
const NOTING = 60_000;
/** Policies that are asked for at once. */
const MOST_ASKED = 1000;

/** What one pass leaves behind for the next. */
interface Memory {
  /** Of the reports that the trash was searched for. */
  readonly revision?: number | undefined;
  /** Clusters whose reports are kept. */
  readonly clusters?: readonly string[];
  /** There were policies, which may have left records. */
  readonly policies?: boolean;
  /** Fingerprint of them all. */
  readonly among?: string;
  /** Those that somebody wants evaluated. */
  readonly asked?: readonly string[];
}

/**
 * Looks after retention: puts back what turned out to be used, evaluates the policies that are due, empties the trash. What plans
 * is loaded where there is a policy, and not before.
 */
export function retentionWork(parts: RetentionParts): Work {
  let started = false;
  const read = new Map<string, PolicyRule['spec']>();
  return {
    kind: 'retention',
    next(now) {
      // Whoever was here before may have died between taking a policy and looking at it.
      const wait = started ? APART : 0;
      started = true;
      return now + wait;
    },
    run: (pass) => passOf(parts, pass, read),
  };
}

async function passOf(parts: RetentionParts, pass: Pass, read: Agenda['read']): Promise<Outcome> {
  const { metadata, now } = parts;
  const memory = JSON.parse(pass.payload) as Memory;
  const clusters = await keepListed(parts, memory);
  const rows = await metadata.rules('retention');
  const asked = await claimAsked(parts, pass, memory);
  const filled = (await metadata.trash({ limit: 1 })).length > 0;
  if (rows.length === 0 && !filled && memory.policies !== true) return { payload: JSON.stringify({ clusters }) };
  const { rescueInUse, emptyTrash } = await import('./trash.ts');
  // What a cluster uses that was not listed at the last pass may have gone then.
  const since = isSame(memory.clusters, clusters) ? memory.revision : undefined;
  const { rescued, revision } = await rescueInUse(parts, { filled, since, signal: pass.signal });
  const { amongOf, evaluatePolicies } = await import('./policies.ts');
  const among = amongOf(rows);
  const changed = among !== memory.among;
  const next = await evaluatePolicies(parts, { rows, asked, rescued, changed, read, signal: pass.signal });
  if (filled) await emptyTrash(parts, pass.signal);
  // Windows may be short, and bytes wait for them to end.
  const apart = filled || (await metadata.trash({ limit: 1 })).length > 0 ? TRASH_APART : APART;
  const left: Memory = { clusters, policies: rows.length > 0, among, revision };
  return { payload: JSON.stringify(left), runAt: Math.min(next, now() + apart) };
}

/** What a cluster ran is forgotten when it is taken off the list. */
async function keepListed(
  { metadata, inUse }: RetentionParts,
  { clusters: before }: Memory,
): Promise<readonly string[]> {
  const { clusters } = inUse();
  if (!isSame(before, clusters)) await metadata.keepInventories(clusters);
  return clusters;
}

function isSame(before: readonly string[] | undefined, clusters: readonly string[]): boolean {
  return before?.join() === clusters.join();
}

/** Names of the policies that somebody wants evaluated now; remembered until they were. */
async function claimAsked({ metadata, worker, now }: RetentionParts, pass: Pass, memory: Memory): Promise<Set<string>> {
  const asked = new Set(memory.asked);
  while (asked.size < MOST_ASKED) {
    const job = await metadata.claimJob({ kinds: [runJob], worker, now: now(), leaseUntil: now() + NOTING });
    if (job === undefined) break;
    asked.add(job.key);
    await pass.keep(JSON.stringify({ ...memory, asked: [...asked] } satisfies Memory));
    await metadata.finishJob({ id: job.id, worker });
  }
  return asked;
}
