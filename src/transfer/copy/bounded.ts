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
  const stopped = new AbortController();
  // Not AbortSignal.any: what it links to a signal that lives long is collected late, and there are many of these.
  const stop = () => stopped.abort(signal.reason);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const item = items[next++] as T;
      await work(item, stopped.signal).catch((error: unknown) => {
        failure ??= { error };
        stopped.abort(error);
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  signal.removeEventListener('abort', stop);
  if (failure !== undefined) throw failure.error;
}
