import type { Log } from './log.ts';

export interface ShutdownStep {
  readonly name: string;
  run(): Promise<void> | void;
}

/** Signals that ask a process to end: the kubelet's, and a terminal's. */
const signals = ['SIGTERM', 'SIGINT'] as const;

/**
 * Runs the steps in order once a signal comes, and resolves with the exit code: 0 where every step worked. A step that
 * fails is logged, and the ones after it still run. A second signal ends the process at once.
 */
export function onShutdown(log: Pick<Log, 'info' | 'error'>, steps: readonly ShutdownStep[]): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (signal: NodeJS.Signals) => {
      if (asked) process.exit(1);
      asked = true;
      log.info({ signal }, 'stopping');
      void runSteps(log, steps).then(resolve);
    };
    for (const signal of signals) process.on(signal, stop);
  });
}

/** Runs every step in order; 0 where all worked, else 1. */
export async function runSteps(log: Pick<Log, 'error'>, steps: readonly ShutdownStep[]): Promise<number> {
  let code = 0;
  for (const { name, run } of steps) {
    try {
      await run();
    } catch (err) {
      code = 1;
      log.error({ err, step: name }, `while stopping, this failed: ${name}`);
    }
  }
  return code;
}
