/** What the programs are started with, in a checkout and (a test compares them) in the container image. */
export const flags = [
  // A young generation of at most 3 MB: what requests leave behind is collected often, and never grows into memory.
  '--max-semi-space-size=1',
  '--optimize-for-size',
  // One optimizing compiler of the two: TurboFan makes requests three times as cheap for 8 MB, most of it its own code;
  // with Maglev beside it, it is 18 MB and no faster.
  '--no-maglev',
  '--v8-pool-size=1',
  // For the few places that leave megabytes behind at once and know it.
  '--expose-gc',
];

export const environment = {
  // One arena for all threads, and no block above 128 KiB kept after it was freed: by itself glibc keeps tens of megabytes.
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};
