import type { Log as FullLog } from '../../platform/log.ts';

/** What this room asks of a logger. */
export type Log = Pick<FullLog, 'debug' | 'info' | 'warn' | 'error'>;
