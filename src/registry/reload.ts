import { isDeepStrictEqual } from 'node:util';
import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import { messageOf } from '../platform/fatal.ts';
import type { Log } from '../platform/log.ts';
import { fingerprintOf, readSettings, type Settings, type Source } from './settings.ts';

export interface ReloadOptions {
  readonly source: Source;
  readonly first: Settings;
  readonly log: Pick<Log, 'info' | 'error'>;
  /** Takes over new settings; what it throws counts as a failed reload. */
  readonly apply: (settings: Settings) => void;
  readonly onResult: (result: 'taken' | 'failed') => void;
}

/** What of a document needs a restart to change. */
const fixed = ['listen', 'storage', 'metadata'] as const;

/**
 * Keeps settings up to date with the files they came from, by content: Kubernetes swaps a mounted Secret by symbolic links,
 * which file watchers miss. New settings count as a whole or not at all; a broken file leaves the running ones in place.
 */
export class Reloader {
  readonly #options: ReloadOptions;
  #current: Settings;
  #timer: NodeJS.Timeout | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #lastFailure: string | undefined;

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#current = options.first;
  }

  /** The settings that are running. */
  get current(): Settings {
    return this.#current;
  }

  /** Why the newest files do not run, in words without a secret; undefined where they do. */
  get fault(): string | undefined {
    return this.#lastFailure;
  }

  /** Looks for changes every `seconds`, until `stop`. */
  watch(seconds: number): void {
    this.#timer = setInterval(() => void this.check(), seconds * 1000).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes over what has changed. Never rejects: a failure is logged once and counted. */
  check(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#check());
    return this.#reloading;
  }

  async #check(): Promise<void> {
    try {
      if ((await fingerprintOf(this.#current.files)) === this.#current.fingerprint) return this.#recovered();
      const next = await readSettings(this.#options.source, (document) => pin(document, this.#current.document));
      this.#options.apply(next);
      this.#current = next;
      this.#lastFailure = undefined;
      this.#options.onResult('taken');
      this.#report(next);
    } catch (error) {
      this.#failed(messageOf(error));
    }
  }

  #report({ document: { generation }, held }: Settings): void {
    const { log } = this.#options;
    if (held.length === 0) {
      log.info({ generation }, 'the new configuration is running');
      return;
    }
    const message = `a change of ${held.join(', ')} needs a restart: the running value is kept, and all else taken over`;
    log.error({ held, generation }, message);
  }

  /** The files hold again what is running. */
  #recovered(): void {
    if (this.#lastFailure === undefined) return;
    this.#lastFailure = undefined;
    this.#options.onResult('taken');
  }

  #failed(message: string): void {
    if (message === this.#lastFailure) return;
    this.#lastFailure = message;
    this.#options.onResult('failed');
    this.#options.log.error({}, `the new configuration cannot be used, the one before keeps running: ${message}`);
  }
}

/** The next document as far as it can run without a restart, and the names of the parts that cannot change. */
export function pin(
  next: RegistryBootstrap,
  running: RegistryBootstrap,
): { document: RegistryBootstrap; held: string[] } {
  const held: string[] = fixed.filter((part) => !isDeepStrictEqual(next[part], running[part]));
  const pinned: RegistryBootstrap = { ...next, ...pick(running, fixed) };
  // A listener cannot change between TLS and plain HTTP; its certificate can.
  if ((next.tls === undefined) !== (running.tls === undefined)) {
    held.push('tls');
    if (running.tls === undefined) delete pinned.tls;
    else pinned.tls = running.tls;
  }
  if (next.workers.run !== running.workers.run) {
    held.push('workers.run');
    pinned.workers = { ...next.workers, run: running.workers.run };
  }
  return held.length === 0
    ? { document: next, held }
    : { document: { ...pinned, generation: running.generation }, held };
}

function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}
