/** A request whose connection broke is still storing what arrived: who takes over waits for it this long, milliseconds. */
const PATIENCE = 1000;

/** Waits until the request that works on an upload has ended, but not for ever: it may be one that sends nothing. */
export async function quiet({ work }: { readonly work: Promise<void> | undefined }): Promise<void> {
  if (work === undefined) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
