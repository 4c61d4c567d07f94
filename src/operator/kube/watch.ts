import type { WatchEvent } from './client.ts';
import { KubeError } from './error.ts';
import type { KubeObject } from './object.ts';
import { errorFromStatus, type Status } from './status.ts';
import type { Transport } from './transport.ts';

/** Bookmarks come about once a minute, so a watch as silent as this hangs on a dead connection. */
const SILENCE_MS = 150_000;
/** An object is at most 1.5 MiB in etcd, and JSON may make three times that of it. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

/** The events of a watch; throws KubeError for an ERROR event (410 Expired among them). */
export async function* watchEvents<T extends KubeObject>(
  transport: Transport,
  path: string,
  signal: AbortSignal | undefined,
  opened?: () => void,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of lines(transport.stream(path, SILENCE_MS, signal, opened))) {
    const event = JSON.parse(line) as { type: string; object: unknown };
    if (event.type === 'ERROR') throw errorFromStatus(event.object as Status, { method: 'WATCH', path });
    yield event as WatchEvent<T>;
  }
}

/** The lines of a stream, without their ends; an unfinished last line is dropped, since its watch was cut. */
export async function* lines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString();
      parts = [];
      size = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > MAX_LINE_BYTES) {
      throw new KubeError({
        status: 0,
        reason: 'ResponseTooLarge',
        message: `the API server sent a watch event larger than ${MAX_LINE_BYTES} bytes`,
      });
    }
  }
}
