import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something holds, looking ten times a second. Throws where it does not within `seconds`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`after ${seconds} s it is still not so that ${what}`);
    await sleep(100);
  }
}
