import type { JobState } from '../metadata/job-queue.ts';
import { Lane } from './lane.ts';
import { reclaimWork } from './reclaim.ts';
import { scrubWork } from './scrub.ts';
import { sweepWork } from './sweep.ts';
import { trimWork } from './trim.ts';
import type { JobParts, Work } from './work.ts';

export interface WorkersOptions extends JobParts {
  /** Names this process among those that share the database. */
  readonly worker: string;
  /** Work of other rooms. They are given all they need. */
  readonly others?: readonly Work[];
}

/** The background work of a running registry. */
export interface Workers {
  /** Ends what is under way, within a second or so, and resolves when nothing is left running. */
  stop(): Promise<void>;
  /** Asks for a pass as soon as may be; false where there is no such kind. */
  runNow(kind: string): boolean;
  /** What there is to do, and how it went. */
  state(): Promise<JobState[]>;
}

/** Jobs that are told of at most. */
const MOST_TOLD = 1000;

/** Starts a lane for each kind of work: none waits behind another. */
export function startWorkers(options: WorkersOptions): Workers {
  const { metadata: queue, log, metrics, worker, now } = options;
  const works = [
    guarded(reclaimWork(options), options),
    guarded(sweepWork(options), options),
    scrubWork(options),
    trimWork(options),
    ...(options.others ?? []).map((work) => guarded(work, options)),
  ];
  const lanes = new Map(works.map((work) => [work.kind, new Lane(work, { queue, log, metrics, worker, now })]));
  return {
    async stop() {
      await Promise.all([...lanes.values()].map((lane) => lane.stop()));
    },
    runNow(kind) {
      lanes.get(kind)?.ask();
      return lanes.has(kind);
    },
    state: async () => queue.jobs(MOST_TOLD),
  };
}

/** Bytes and names go only while it is known that the metadata is the newest there is. */
function guarded(work: Work, { requireWhole }: Pick<JobParts, 'requireWhole'>): Work {
  return {
    ...work,
    async run(pass) {
      await requireWhole?.();
      return work.run(pass);
    },
  };
}
