import type { WriteStream } from 'node:tty';
import type { CopyEvent, OnCopyEvent } from '../../transfer/copy/events.ts';
import { formatBytes, shortDigest } from '../text.ts';

/** Shows how a copy goes on. `stop` leaves the screen as it should stay. */
export interface Progress {
  readonly onEvent: OnCopyEvent;
  stop(): void;
}

interface Lane {
  readonly size: number;
  done: number;
  readonly startedMs: number;
}

const redrawMs = 100;
const sparseMs = 5000;
const barWidth = 28;

/** Bars on a terminal, a line now and then elsewhere, nothing when quiet. */
export function progressOn(
  stream: WriteStream | NodeJS.WritableStream,
  options: { quiet: boolean; tty: boolean },
): Progress {
  if (options.quiet) return { onEvent: () => {}, stop: () => {} };
  return options.tty ? new Bars(stream as WriteStream) : new Lines(stream);
}

/** What both views count. */
class Totals {
  readonly lanes = new Map<string, Lane>();
  readonly startedMs = Date.now();
  blobs = 0;
  bytes = 0;
  settledBlobs = 0;
  settledBytes = 0;

  take(event: CopyEvent): void {
    if (event.kind === 'plan') {
      this.blobs += event.blobs;
      this.bytes += event.bytes;
    }
    if (event.kind !== 'blob') return;
    if (event.state === 'started') this.lanes.set(event.digest, { size: event.size, done: 0, startedMs: Date.now() });
    const lane = this.lanes.get(event.digest);
    if (event.state === 'moving' && lane !== undefined) lane.done = event.done;
    if (event.state === 'started' || event.state === 'moving') return;
    this.lanes.delete(event.digest);
    this.settledBlobs += 1;
    this.settledBytes += event.size;
  }

  line(): string {
    let done = this.settledBytes;
    for (const lane of this.lanes.values()) done += lane.done;
    const seconds = (Date.now() - this.startedMs) / 1000;
    return `${this.settledBlobs}/${this.blobs} blobs, ${formatBytes(done)} of ${formatBytes(this.bytes)} in ${seconds.toFixed(0)} s`;
  }
}

class Lines implements Progress {
  readonly #stream: NodeJS.WritableStream;
  readonly #totals = new Totals();
  #spokeMs = Date.now();

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  readonly onEvent = (event: CopyEvent): void => {
    this.#totals.take(event);
    if (Date.now() - this.#spokeMs < sparseMs) return;
    this.#spokeMs = Date.now();
    this.#stream.write(`${this.#totals.line()}\n`);
  };

  stop(): void {}
}

class Bars implements Progress {
  readonly #stream: WriteStream;
  readonly #totals = new Totals();
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;

  constructor(stream: WriteStream) {
    this.#stream = stream;
    this.#timer = setInterval(() => this.#draw(), redrawMs);
    this.#timer.unref();
  }

  readonly onEvent = (event: CopyEvent): void => this.#totals.take(event);

  stop(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #draw(): void {
    const room = Math.max(1, (this.#stream.rows ?? 24) - 3);
    const lanes = [...this.#totals.lanes].slice(0, room).map(([digest, lane]) => laneText(digest, lane));
    const width = (this.#stream.columns ?? 80) - 1;
    const lines = [...lanes, this.#totals.line()].map((line) => line.slice(0, width));
    this.#erase();
    this.#stream.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn > 0) this.#stream.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}

function laneText(digest: string, { size, done, startedMs }: Lane): string {
  const share = size === 0 ? 1 : Math.min(1, done / size);
  const full = Math.round(share * barWidth);
  const speed = done / Math.max(0.001, (Date.now() - startedMs) / 1000);
  const bar = `${'='.repeat(full)}${' '.repeat(barWidth - full)}`;
  return `${shortDigest(digest)} [${bar}] ${(share * 100).toFixed(0).padStart(3)} %  ${formatBytes(done)} of ${formatBytes(size)}  ${formatBytes(speed)}/s`;
}
