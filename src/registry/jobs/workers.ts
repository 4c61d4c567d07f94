import type { JobState } from '../metadata/job-queue.ts';
import { askElsewhere, Requests } from './elsewhere.ts';
import { Gate } from './gate.ts';
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
  runNow(kind: string): Promise<boolean>;
  /** What there is to do, and how it went. */
  state(): Promise<JobState[]>;
}

/** Jobs that are told of at most. */
const MOST_TOLD = 1000;

/** Milliseconds between two looks at what other processes ask for: of one that is there for nothing else, and of others. */
const REQUESTS = { only: 2000, beside: 60_000 };

/**
 * Starts a lane for each kind of work: none waits behind another while there is room (`workers.concurrency`). Where this process
 * does no work, only the asking for it.
 */
export function startWorkers(options: WorkersOptions): Workers {
  const { metadata: queue, now } = options;
  const works = worksOf(options);
  const state = async () => queue.jobs(MOST_TOLD);
  if (options.settings().workers.run !== 'None') return { ...startLanes(works, options), state };
  return {
    stop: async () => undefined,
    async runNow(kind) {
      if (!works.some((work) => work.kind === kind)) return false;
      await askElsewhere(queue, kind, now());
      return true;
    },
    state,
  };
}

function worksOf(options: WorkersOptions): Work[] {
  return [
    guarded(reclaimWork(options), options),
    guarded(sweepWork(options), options),
    scrubWork(options),
    trimWork(options),
    ...(options.others ?? []).map((work) => guarded(work, options)),
  ];
}

function startLanes(works: readonly Work[], options: WorkersOptions): Omit<Workers, 'state'> {
  const { metadata: queue, blobs, log, metrics, worker, now, settings } = options;
  const gate = new Gate(() => settings().workers.concurrency);
  const lanes = new Map(works.map((work) => [work.kind, new Lane(work, { queue, log, metrics, gate, worker, now })]));
  const ask = (kind: string) => lanes.get(kind)?.ask();
  const every = settings().workers.run === 'Only' ? REQUESTS.only : REQUESTS.beside;
  const kinds = [...lanes.keys()];
  const requests = blobs.shared ? new Requests({ queue, worker, log, kinds, every, ask, now }) : undefined;
  return {
    async stop() {
      await Promise.all([requests?.stop(), ...[...lanes.values()].map((lane) => lane.stop())]);
    },
    async runNow(kind) {
      ask(kind);
      return lanes.has(kind);
    },
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
