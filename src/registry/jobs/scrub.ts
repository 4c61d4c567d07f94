import { isJsonObject } from '../../domain/json.ts';
import { type Digest, isDigest } from '../../domain/oci/digest.ts';
import type { BlobRow, Millis } from '../metadata/store.ts';
import { Pace } from './pace.ts';
import { pause } from './pause.ts';
import { missing, type Verdict, verify } from './verify.ts';
import type { JobParts, Outcome, Pass, Work } from './work.ts';

/** Work of one pass, milliseconds; the next goes on where it ended. */
const SLICE = 20_000;
/** A round over all blobs begins at most this often, milliseconds. */
const ROUND = 24 * 3_600_000;
/** What is quarantined is looked at again this often, milliseconds: perhaps only the volume was away. */
const RECHECK = 3_600_000;
/** First look after a start, milliseconds, and how often it is asked whether scrubbing was switched on. */
const LATER = 60_000;
/** Bytes that look damaged are read once more after this time, milliseconds, before they are taken out of service. */
const SECOND_LOOK = 500;
const PAGE = 50;

/** Reads everything again at a bounded rate, takes damaged bytes out of service, and puts back what turns out to be right. */
export function scrubWork(parts: JobParts): Work {
  return {
    kind: 'scrub',
    next: (now) => now + LATER,
    run: async (pass) => {
      const { bytesPerSecond } = parts.settings().scrub;
      return bytesPerSecond === 0 ? {} : new Slice(parts, pass, bytesPerSecond).run();
    },
  };
}

/** What a pass leaves behind for the next. */
interface Progress {
  /** The last blob that was looked at; absent between two rounds. */
  cursor?: Digest;
  /** When this round, or the last one, began. */
  beganAt: Millis;
  recheckedAt: Millis;
}

class Slice {
  readonly #parts: JobParts;
  readonly #pass: Pass;
  readonly #pace: Pace;
  readonly #progress: Progress;
  readonly #missing: Suspect[] = [];
  readonly #seen = { whole: 0, unreadable: 0 };
  #fault: unknown;

  constructor(parts: JobParts, pass: Pass, bytesPerSecond: number) {
    this.#parts = parts;
    this.#pass = pass;
    this.#progress = progressOf(pass.payload);
    this.#pace = new Pace(bytesPerSecond, pass.signal, parts.metrics.scrubbed);
  }

  async run(): Promise<Outcome> {
    const { now } = this.#parts;
    const { asked } = this.#pass;
    const progress = this.#progress;
    if (asked || now() - progress.recheckedAt >= RECHECK) await this.#recheck();
    const goesOn = progress.cursor !== undefined;
    if (!goesOn && (asked || now() - progress.beganAt >= ROUND)) {
      progress.beganAt = now();
      await this.#read();
    } else if (goesOn) await this.#read();
    await this.#judgeMissing();
    this.#report();
    const nextRound = Math.min(progress.beganAt + ROUND, progress.recheckedAt + RECHECK);
    return { payload: JSON.stringify(progress), runAt: progress.cursor === undefined ? nextRound : now() };
  }

  /** Goes on until the slice is over, or the round is. */
  async #read(): Promise<void> {
    const { metadata } = this.#parts;
    const progress = this.#progress;
    const until = performance.now() + SLICE;
    for (;;) {
      const { cursor: last } = progress;
      const rows = await metadata.blobs({ limit: PAGE, ...(last && { last }) });
      for (const row of rows) {
        await this.#examine({ row, after: progress.cursor });
        progress.cursor = row.digest;
        if (performance.now() > until) return;
      }
      if (rows.length < PAGE) break;
      await this.#pass.keep(JSON.stringify(progress));
    }
    delete progress.cursor;
  }

  /** A failed read says nothing about the bytes: it is told, and they are read again in the next round. */
  async #examine(suspect: Suspect): Promise<void> {
    try {
      const verdict = await this.#twice(suspect.row);
      if (verdict.whole) this.#seen.whole += 1;
      else if (verdict === missing) this.#missing.push(suspect);
      else await this.#quarantine(suspect, verdict.damage);
    } catch (error) {
      this.#pass.signal.throwIfAborted();
      this.#seen.unreadable += 1;
      this.#fault = error;
    }
    await this.#pace.one();
  }

  async #twice(row: BlobRow): Promise<Verdict> {
    const parts = { blobs: this.#parts.blobs, pace: this.#pace };
    const first = await verify(row, parts);
    if (first.whole) return first;
    await pause(SECOND_LOOK, this.#pass.signal);
    return verify(row, parts);
  }

  /** Where more is missing than found, it is not the blobs that are gone but the volume. */
  async #judgeMissing(): Promise<void> {
    const believed = this.#missing.length <= this.#seen.whole;
    if (!believed) {
      const counts = { missing: this.#missing.length, found: this.#seen.whole };
      this.#parts.log.error(counts, 'most blobs cannot be found: is the volume mounted? None was quarantined for that');
      return;
    }
    for (const suspect of this.#missing) await this.#quarantine(suspect, 'missing');
  }

  /** What was deleted or pushed again meanwhile is not damaged. */
  async #quarantine({ row, after }: Suspect, damage: string): Promise<void> {
    const { metadata, log, now } = this.#parts;
    const [named] = await metadata.blobs({ limit: 1, ...(after && { last: after }) });
    if (named?.digest !== row.digest || named.key !== row.key) return;
    const { digest, key } = row;
    const known = (await metadata.quarantined({ limit: 1, ...(after && { last: after }) }))[0]?.digest === digest;
    if (known) return;
    await metadata.quarantineBlob(digest, key, damage, now());
    log.error({ digest, key }, `stored blob is ${damage}; quarantined, push it again to heal`);
  }

  /** Everything that is out of service, whether it is right by now. */
  async #recheck(): Promise<void> {
    const { metadata, now } = this.#parts;
    this.#progress.recheckedAt = now();
    for (let last: Digest | undefined; ; ) {
      const rows = await metadata.quarantined({ limit: PAGE, ...(last && { last }) });
      for (const row of rows) await this.#acquit(row);
      last = rows.at(-1)?.digest;
      if (rows.length < PAGE) return;
    }
  }

  async #acquit(row: BlobRow): Promise<void> {
    const { metadata, blobs, log } = this.#parts;
    try {
      const verdict = await verify(row, { blobs, pace: this.#pace });
      if (!verdict.whole || !(await metadata.releaseBlob(row.digest, row.key))) return;
      log.info({ digest: row.digest, key: row.key }, 'a quarantined blob is whole again, and back in service');
    } catch (error) {
      this.#pass.signal.throwIfAborted();
      this.#seen.unreadable += 1;
      this.#fault = error;
    } finally {
      await this.#pace.one();
    }
  }

  #report(): void {
    const { unreadable } = this.#seen;
    if (unreadable === 0) return;
    const message = 'some stored blobs could not be read; nothing was concluded from that, they are read again';
    this.#parts.log.error({ err: this.#fault, blobs: unreadable }, message);
  }
}

/** A blob row, and the digest before it in the order of digests. */
interface Suspect {
  readonly row: BlobRow;
  readonly after: Digest | undefined;
}

/** What cannot be understood is as if nothing had been done. */
function progressOf(payload: string): Progress {
  const read: unknown = parsed(payload);
  const { cursor, beganAt, recheckedAt } = isJsonObject(read) ? read : {};
  return {
    ...(typeof cursor === 'string' && isDigest(cursor) && { cursor }),
    beganAt: typeof beganAt === 'number' ? beganAt : 0,
    recheckedAt: typeof recheckedAt === 'number' ? recheckedAt : 0,
  };
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return undefined;
  }
}
