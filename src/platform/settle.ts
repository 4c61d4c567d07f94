import { releaseUntouched } from './untouched.ts';

/**
 * What of V8's settings is set when a program has started, and not on its command line (`bin/settings.js`): Node's own modules come
 * with their compiled form, which V8 takes only where its flags are the ones that Node was built with. Any of these three on
 * the command line has every start compile them anew, which takes 100 ms. They are looked at when they matter, not at the start:
 * - `optimize-for-size` favours a small heap over a quick collection.
 * - Without Maglev one optimizing compiler of two is left: TurboFan makes requests three times as cheap for 8 MB, most of it
 *   its own code; with Maglev beside it, it is 18 MB and no faster.
 */
const lean = ['--optimize-for-size', '--no-maglev'];

/** From here on memory comes first. Loading a module of Node's own is slower afterwards. */
export function useLittleMemory(): void {
  // Where a compile cache is written: what is in it is of use to the next start only as it was compiled with that one's flags.
  process.getBuiltinModule('node:module').flushCompileCache();
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  for (const flag of lean) setFlagsFromString(flag);
}

/** What a program does once when it has started: what starting took is garbage now, and most of the code it went through too. */
export async function settle(): Promise<void> {
  useLittleMemory();
  globalThis.gc?.();
  await releaseUntouched();
}

/**
 * Makes `gc` for the few places that leave megabytes behind at once and know it, as `--expose-gc` would, which is one of the flags
 * that keep V8 from taking what is compiled. It is got when it is first called.
 */
export function provideCollector(): void {
  if (globalThis.gc !== undefined) return;
  let collect: (() => void) | undefined;
  globalThis.gc = (() => {
    collect ??= collector();
    collect();
  }) as NodeJS.GCFunction;
}

/** Only a context that is made afterwards has the function. */
function collector(): () => void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--expose-gc');
  return process.getBuiltinModule('node:vm').runInNewContext('gc') as () => void;
}
