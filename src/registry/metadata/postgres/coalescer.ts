/** Keys that one query asks for, unless it is told otherwise. */
const MOST_KEYS = 256;

interface Asked<Key, Value> {
  readonly key: Key;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Makes one query of what is asked for in the same turn, or while all queries allowed at once are under way: under load the
 * round trips are few and large. Nobody joins a query that was sent before he asked, so that each answer is as new as his question.
 */
export class Coalescer<Key, Value> {
  #query: (keys: readonly Key[]) => Promise<readonly Value[]>;
  #atOnce: number;
  #mostKeys: number;
  #asked: Asked<Key, Value>[] = [];
  #running = 0;
  #planned = false;

  /** @param query answers in the order of the keys, one value for each */
  constructor(
    atOnce: number,
    query: (keys: readonly Key[]) => Promise<readonly Value[]>,
    mostKeys: number = MOST_KEYS,
  ) {
    this.#atOnce = atOnce;
    this.#mostKeys = mostKeys;
    this.#query = query;
  }

  ask(key: Key): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ key, resolve, reject });
      this.#plan();
    });
  }

  #plan(): void {
    if (this.#planned || this.#running >= this.#atOnce) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.#send();
    });
  }

  #send(): void {
    const batch = this.#asked.splice(0, this.#mostKeys);
    if (batch.length === 0) return;
    this.#running += 1;
    void this.#run(batch).finally(() => {
      this.#running -= 1;
      if (this.#asked.length > 0) this.#plan();
    });
    if (this.#asked.length > 0) this.#plan();
  }

  async #run(batch: readonly Asked<Key, Value>[]): Promise<void> {
    try {
      const values = await this.#query(batch.map(({ key }) => key));
      batch.forEach(({ resolve }, at) => {
        resolve(values[at] as Value);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
