import { setTimeout as sleep } from 'node:timers/promises';

export interface SharedBlobOptions {
  /** The bytes from the first one on; read once. */
  open(signal: AbortSignal): AsyncIterable<Buffer>;
  /** How many readers there will be, if all come. */
  readonly readers: number;
  /** Bytes between the slowest reader and the quickest: what is held in memory. */
  readonly window: number;
  /** How long the first readers wait for the others before the window moves on, milliseconds. */
  readonly patience: number;
}

/** A reader that took nothing for so long, milliseconds, reads by itself from then on. */
const stuck = 5000;

interface Place {
  at: number;
}

/** A reader is too far behind: it has to read by itself. */
export class LeftBehind extends Error {}

/**
 * One stream of bytes for several readers: as quick as the slowest of them. Everybody can join as long as the first byte is
 * still held; who comes later reads for himself.
 */
export class SharedBlob {
  readonly #options: SharedBlobOptions;
  readonly #stopping = new AbortController();
  readonly #places = new Set<Place>();
  readonly #chunks: Buffer[] = [];
  /** Offset of the first byte that is held, and of the one after the last. */
  #start = 0;
  #end = 0;
  #joined = 0;
  #over: { readonly error?: unknown } | undefined;
  #changed = Promise.withResolvers<void>();
  #begun = false;
  #usedAt = performance.now();

  constructor(options: SharedBlobOptions) {
    this.#options = options;
  }

  /** Whether somebody who comes now can have all of it. */
  get open(): boolean {
    return this.#start === 0 && !(this.#over !== undefined && 'error' in this.#over) && !this.#stopping.signal.aborted;
  }

  /** Nobody reads it now. */
  get unused(): boolean {
    return this.#places.size === 0;
  }

  /** Nobody reads it, and nobody else is waited for. */
  get idle(): boolean {
    if (!this.unused) return false;
    const { readers, patience } = this.#options;
    return this.#joined >= readers || !this.open || performance.now() > this.#usedAt + patience;
  }

  /** Bytes in memory. */
  get held(): number {
    return this.#end - this.#start;
  }

  /** @throws LeftBehind where `offset` is not held any more; what reading threw */
  async *read(offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    if (offset < this.#start) throw new LeftBehind();
    const place: Place = { at: offset };
    this.#places.add(place);
    this.#joined += 1;
    this.#begin();
    this.#tell();
    try {
      for (;;) {
        const chunk = this.#next(place);
        if (chunk !== undefined) yield chunk;
        else if (this.#over !== undefined) {
          if ('error' in this.#over) throw this.#over.error;
          return;
        } else await this.#news(signal);
      }
    } finally {
      this.#places.delete(place);
      this.#usedAt = performance.now();
      this.#tell();
      if (this.#places.size === 0 && this.#over === undefined) this.#stopping.abort();
    }
  }

  /** What is held from a reader's place on, up to the end of a chunk. */
  #next(place: Place): Buffer | undefined {
    if (place.at < this.#start) throw new LeftBehind();
    let at = this.#start;
    for (const chunk of this.#chunks) {
      const end = at + chunk.length;
      if (place.at < end) {
        const part = place.at === at ? chunk : chunk.subarray(place.at - at);
        place.at = end;
        this.#tell();
        return part;
      }
      at = end;
    }
    return undefined;
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    void this.#pump().then(
      () => this.#finish({}),
      (error: unknown) => this.#finish({ error }),
    );
  }

  #finish(over: { readonly error?: unknown }): void {
    this.#over = over;
    this.#tell();
  }

  async #pump(): Promise<void> {
    const { open, window, patience } = this.#options;
    const { signal } = this.#stopping;
    const giveUp = performance.now() + patience;
    for await (const chunk of open(signal)) {
      this.#chunks.push(chunk);
      this.#end += chunk.length;
      this.#tell();
      await this.#room(giveUp);
      if (this.#end >= window) this.#drop(this.#slowest());
    }
  }

  /** Resolves when the window has room, or when it has to be made: one that is stuck does not keep the others. */
  async #room(giveUp: number): Promise<void> {
    const { window } = this.#options;
    let since = performance.now();
    for (let before = this.#slowest(); this.#full(giveUp); before = this.#slowest()) {
      await Promise.race([this.#news(this.#stopping.signal), sleep(100, undefined, { ref: false })]);
      if (this.#slowest() > before) since = performance.now();
      if (performance.now() - since > stuck) this.#drop(this.#end - window / 2);
    }
  }

  #full(giveUp: number): boolean {
    const { window } = this.#options;
    const awaited = this.#end >= window && this.#awaited() && performance.now() < giveUp;
    return awaited || this.#end - Math.max(this.#slowest(), this.#start) >= window;
  }

  #awaited(): boolean {
    return this.#joined < this.#options.readers;
  }

  #slowest(): number {
    let slowest = this.#end;
    for (const { at } of this.#places) if (at < slowest) slowest = at;
    return slowest;
  }

  /** Forgets the chunks before an offset. */
  #drop(before: number): void {
    for (
      let [first] = this.#chunks;
      first !== undefined && this.#start + first.length <= before;
      [first] = this.#chunks
    ) {
      this.#chunks.shift();
      this.#start += first.length;
    }
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #news(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<void>();
    const stop = () => aborted.resolve();
    signal.addEventListener('abort', stop, { once: true });
    await Promise.race([this.#changed.promise, aborted.promise]);
    signal.removeEventListener('abort', stop);
    signal.throwIfAborted();
  }
}
