import { readFile } from 'node:fs/promises';

/** A process as a state file records it: its id and when it started, so that a recycled id is never taken for it. */
export interface ProcessRecord {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of proc(5)'s stat. */
  readonly startTime: string;
}

/** Reads a record, written as `PID STARTTIME`; undefined when there is none, or half of one. */
export async function readRecord(file: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const match = /^(\d+) (\d+)\n/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { pid: Number(match[1]), startTime: match[2] };
}

/** The text that readRecord reads. */
export function formatRecord(record: ProcessRecord): string {
  return `${record.pid} ${record.startTime}\n`;
}

/** Whether the recorded process, and not a later one with its id, is running. */
export async function isRunning(record: ProcessRecord): Promise<boolean> {
  const stat = await readStat(record.pid);
  return stat !== undefined && stat.startTime === record.startTime && stat.state !== 'Z';
}

/** The record of a process that is running now. */
export async function identify(pid: number): Promise<ProcessRecord | undefined> {
  const stat = await readStat(pid);
  return stat === undefined ? undefined : { pid, startTime: stat.startTime };
}

/** Kills the recorded process and waits until it has gone; does nothing when it went before. */
export async function killRecorded(record: ProcessRecord): Promise<void> {
  if (await isRunning(record)) signal(record.pid);
  await ended(record);
}

/** Waits until a process that was killed has ended; throws after half a minute. */
export async function ended(record: ProcessRecord): Promise<void> {
  for (let tries = 0; await isRunning(record); tries++) {
    if (tries >= 1500) throw new Error(`process ${record.pid} does not end although it was killed`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The only child of a process that has just one. */
export async function onlyChild(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const child = Number(text.trim().split(' ')[0]);
  return Number.isInteger(child) && child > 0 ? child : undefined;
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function readStat(pid: number): Promise<{ state: string; startTime: string } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold spaces and parentheses itself; the fields after it start with the third.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}
