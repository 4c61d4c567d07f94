/** What the programs are started with, in a checkout and in the container image. */
export const settings = (compileCache) => ({
  flags: ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning'],
  environment: {
    // One arena for all threads, and no block above 128 KiB kept after it was freed: by itself glibc keeps tens of megabytes.
    MALLOC_ARENA_MAX: '1',
    MALLOC_MMAP_THRESHOLD_: '131072',
    MALLOC_TRIM_THRESHOLD_: '131072',
    NODE_COMPILE_CACHE: compileCache,
  },
});
