import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../domain/errors.ts';
import { bodyOf } from './exchange.ts';

/** Milliseconds. */
export interface Patience {
  /** Between two pieces of a body. */
  readonly silence: number;
  /** For the whole body, more or less. */
  readonly whole: number;
}

/**
 * The pieces of a body that has to keep arriving.
 * @throws Refusal SIZE_INVALID 408 where it stops for `silence`, or takes longer than `whole`
 */
export async function* arriving(request: IncomingMessage, patience: Patience): AsyncGenerator<Buffer> {
  const pieces = bodyOf(request)[Symbol.asyncIterator]();
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => undefined);
  const timer = setTimeout(() => late.reject(tooSlow()), patience.silence);
  const began = performance.now();
  try {
    for (;;) {
      const next = await Promise.race([pieces.next(), late.promise]);
      if (next.done === true) return;
      if (performance.now() - began > patience.whole) throw tooSlow();
      timer.refresh();
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
    // Not waited for: a piece that does not come would keep it.
    pieces.return?.().catch(() => undefined);
  }
}

function tooSlow(): Refusal {
  return new Refusal('SIZE_INVALID', 'the manifest stopped arriving, or came too slowly; send it again', {
    status: 408,
    headers: { connection: 'close' },
  });
}
