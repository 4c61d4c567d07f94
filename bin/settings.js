/**
 * What the programs are started with, in a checkout and (a test compares them) in the container image. Only flags that leave V8
 * willing to take the compiled form of Node's own modules: `src/platform/settle.ts` sets the others when a program has started.
 */
export const flags = [
  // A young generation of at most 3 MB: what requests leave behind is collected often, and never grows into memory.
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
];

export const environment = {
  // One arena for all threads, and no block above 128 KiB kept after it was freed: by itself glibc keeps tens of megabytes.
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};
