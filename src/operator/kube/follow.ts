import { setTimeout as sleep } from 'node:timers/promises';
import type { ListWatch, WatchEvent } from './client.ts';
import { isSilence, KubeError } from './error.ts';
import type { Log } from './log.ts';
import { type KindRef, type KubeObject, keyOf } from './object.ts';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const LONGEST_WATCH_SECONDS = 300;

export interface Followed {
  kind: KindRef;
  namespace: string | undefined;
  labelSelector: string | undefined;
  relistSeconds: number;
  log: Log;
}

/** What hears of the objects. */
export interface Follower<T extends KubeObject> {
  put(object: T): void;
  remove(object: T): void;
  /** A full list is in, and these are the keys of all that exists. */
  listed(seen: ReadonlySet<string>): void;
  /** The server answers: from here on nothing is missed. */
  heard?(): void;
  /** It does not, or refuses: what is known grows old until `heard`. */
  failed?(): void;
}

/** Follows a kind (in one namespace, or in all) until the signal aborts; never throws. */
export async function follow<T extends KubeObject>(
  client: ListWatch,
  what: Followed,
  follower: Follower<T>,
  signal: AbortSignal,
): Promise<void> {
  const pauses = new Pauses(signal);
  while (!signal.aborted) {
    try {
      const version = await list(client, what, follower, signal);
      pauses.reset();
      await watchUntilStale(client, { ...what, version, pauses }, follower, signal);
    } catch (error) {
      follower.failed?.();
      await pauses.after(error, what);
    }
  }
}

async function list<T extends KubeObject>(
  client: ListWatch,
  what: Followed,
  follower: Follower<T>,
  signal: AbortSignal,
): Promise<string> {
  const seen = new Set<string>();
  let version = '';
  for await (const page of client.pages<T>(what.kind, { ...scope(what), signal })) {
    version = page.resourceVersion;
    for (const object of page.items) {
      seen.add(keyOf(object.metadata.namespace, object.metadata.name));
      follower.put(object);
    }
  }
  follower.listed(seen);
  follower.heard?.();
  return version;
}

/** Watches, reconnecting from the last version seen, until the server has forgotten it or it is time to list again. */
async function watchUntilStale<T extends KubeObject>(
  client: ListWatch,
  what: Followed & { version: string; pauses: Pauses },
  follower: Follower<T>,
  signal: AbortSignal,
): Promise<void> {
  const listAgainAt = Date.now() + jitter(what.relistSeconds * 1000);
  let resourceVersion = what.version;
  while (!signal.aborted && Date.now() < listAgainAt) {
    const longest = Math.min(listAgainAt - Date.now(), jitter(LONGEST_WATCH_SECONDS * 1000));
    const options = {
      ...scope(what),
      resourceVersion,
      timeoutSeconds: Math.ceil(longest / 1000),
      signal,
      opened: () => follower.heard?.(),
    };
    const startedAt = Date.now();
    try {
      for await (const event of client.watch<T>(what.kind, options)) {
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
        what.pauses.reset();
        hear(follower, event);
      }
      // A server that ends a watch at once would otherwise be asked without a pause.
      if (Date.now() - startedAt < 1000) await what.pauses.after(undefined, what);
    } catch (error) {
      if (isExpired(error)) return;
      if (isSilence(error)) {
        what.log.debug(
          { kind: what.kind.kind, namespace: what.namespace },
          `nothing heard of ${what.kind.kind}, asking anew`,
        );
        continue;
      }
      follower.failed?.();
      await what.pauses.after(error, what);
    }
  }
}

function hear<T extends KubeObject>(follower: Follower<T>, event: WatchEvent<T>): void {
  if (event.type === 'DELETED') follower.remove(event.object);
  else if (event.type !== 'BOOKMARK') follower.put(event.object);
}

function scope(what: Followed): { namespace?: string; labelSelector?: string } {
  return {
    ...(what.namespace === undefined ? {} : { namespace: what.namespace }),
    ...(what.labelSelector === undefined ? {} : { labelSelector: what.labelSelector }),
  };
}

/** The server no longer has the changes since our version. */
function isExpired(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 410 || error.reason === 'Expired');
}

/** Growing, jittered pauses between attempts that fail. */
class Pauses {
  readonly #signal: AbortSignal;
  #next = FIRST_PAUSE_MS;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  reset(): void {
    this.#next = FIRST_PAUSE_MS;
  }

  async after(error: unknown, what: Followed): Promise<void> {
    if (this.#signal.aborted) return;
    const asked = error instanceof KubeError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const pause = Math.max(asked, jitter(this.#next));
    this.#next = Math.min(this.#next * 2, LONGEST_PAUSE_MS);
    if (error !== undefined) {
      const message = error instanceof Error ? error.message : String(error);
      what.log.warn(
        { kind: what.kind.kind, namespace: what.namespace, pauseMs: Math.round(pause), reason: message },
        `cannot follow ${what.kind.kind}, trying again`,
      );
    }
    await sleep(pause, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

/** Between 80 and 120 per cent, so that many clients do not come at once. */
function jitter(value: number): number {
  return value * (0.8 + Math.random() * 0.4);
}
