/** How long an object that was seen is believed to be there, milliseconds. Only somebody beside the registry could remove it. */
const FRESH = 30_000;
const MOST = 8_192;
/** The whole content of objects up to this size (bytes) is kept, up to a bound over all: such are image configurations. */
export const SMALL = 64 * 1024;
const MOST_CONTENT = 4 * 1024 * 1024;

interface Known {
  readonly size: number;
  readonly seenAt: number;
  content: Buffer | undefined;
}

/** What is known of objects that never change: their size, and of small ones the bytes. The longest unused is forgotten. */
export class KnownObjects {
  readonly #known = new Map<string, Known>();
  #contentBytes = 0;

  /** Size of an object that was seen a moment ago. */
  size(key: string): number | undefined {
    const known = this.#known.get(key);
    if (known === undefined || performance.now() - known.seenAt > FRESH) return undefined;
    return known.size;
  }

  content(key: string): Buffer | undefined {
    const known = this.#known.get(key);
    if (known?.content === undefined) return undefined;
    this.#known.delete(key);
    this.#known.set(key, known);
    return known.content;
  }

  /** The object was seen now. */
  note(key: string, size: number, content?: Buffer): void {
    const kept = content ?? this.#known.get(key)?.content;
    this.forget(key);
    this.#known.set(key, { size, seenAt: performance.now(), content: kept });
    this.#contentBytes += kept?.byteLength ?? 0;
    this.#shrink();
  }

  forget(key: string): void {
    this.#contentBytes -= this.#known.get(key)?.content?.byteLength ?? 0;
    this.#known.delete(key);
  }

  #shrink(): void {
    for (const [key, known] of this.#known) {
      if (this.#known.size <= MOST && this.#contentBytes <= MOST_CONTENT) return;
      if (this.#known.size > MOST) this.forget(key);
      else if (known.content !== undefined) {
        this.#contentBytes -= known.content.byteLength;
        known.content = undefined;
      }
    }
  }
}
