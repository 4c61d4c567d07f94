import type { Output } from './place.ts';

export interface Progress {
  /** `done` of `total`, in whatever unit; `text` stands behind the bar. */
  show(done: number, total: number, text?: string): void;
  /** Leaves nothing on the screen. */
  end(): void;
}

const width = 30;
/** Milliseconds between two drawings. */
const pause = 100;

/** One line that is written over and over, on a terminal only. */
export function progressOn(stderr: Output, doing: string): Progress {
  let drawnAt = 0;
  let length = 0;
  return {
    show(done, total, text = '') {
      const now = performance.now();
      if (!stderr.isTTY || now - drawnAt < pause) return;
      drawnAt = now;
      const line = lineOf(doing, { share: Math.min(1, done / Math.max(total, 1)), done, text, open: total === 0 });
      stderr.write(`\r${line.padEnd(length)}`);
      length = line.length;
    },
    end() {
      if (length > 0) stderr.write(`\r${' '.repeat(length)}\r`);
      length = 0;
    },
  };
}

/** Where nobody knows how much there is, only what was done is shown. */
function lineOf(
  doing: string,
  { share, done, text, open }: { share: number; done: number; text: string; open: boolean },
): string {
  if (open) return `${doing} ${text || done}`;
  const filled = Math.round(share * width);
  return `${doing} [${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${Math.floor(share * 100)}% ${text}`.trimEnd();
}

/** Bytes for people. */
export function sizeOf(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
