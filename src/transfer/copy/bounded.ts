/**
 * Runs `work` for every item, at most `limit` at once. The first failure aborts the others through `signal` and is thrown
 * once all have stopped, so that nothing goes on behind the caller's back.
 */
export async function bounded<T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const item = items[next++] as T;
      await work(item, both).catch((error: unknown) => {
        failure ??= { error };
        failed.abort(error);
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
}
