/** Looks after the pods that do the long work of a Registry, where those are not its own. */
import type { Standing } from '../runtime/conditions.ts';
import type { Workload } from './health.ts';
import { isConfirmed } from './inquiry.ts';
import type { Site } from './site.ts';
import type { Findings, Warning } from './status.ts';
import { type VerdictParts, verdictOf } from './verdict.ts';
import { podsOf, type View } from './view.ts';

/** Where the registry stands, its workers counted. What it serves does not hang on them: they stop nothing that has served. */
export async function withWorkers(
  parts: VerdictParts & { readonly view: View },
  found: Findings,
  { workers, standing }: { workers: Workload | undefined; standing: Standing },
): Promise<Standing> {
  if (workers === undefined) return standing;
  found.workers = workers;
  const pods = podsOf(parts.view, parts.site, 'workers');
  const { standing: theirs } = await verdictOf(parts, { workload: workers, pods, claim: undefined, of: 'workers' });
  found.warnings.push(conditionOf(theirs));
  return theirs === undefined ? standing : together(parts.site, standing, theirs);
}

function conditionOf(theirs: Standing | undefined): Warning {
  const type = 'WorkersReady';
  if (theirs === undefined)
    return { type, status: 'True', reason: 'Working', message: 'a pod of its own does the long work' };
  return { type, status: 'False', reason: theirs.reason, message: theirs.message };
}

function together(site: Site, standing: Standing, theirs: Standing): Standing {
  if (standing.state !== 'ready') return standing;
  // Who waits for a new specification waits for all of it.
  if (theirs.state === 'progressing' && !isConfirmed(site)) {
    return { state: 'progressing', reason: 'StartingWorkers', message: theirs.message };
  }
  return { ...standing, message: `${standing.message}, but nobody replicates or reclaims: ${theirs.message}` };
}
