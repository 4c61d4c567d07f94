import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { descriptor, digestOf, imageType } from '../client.ts';

/** An image that somebody tried to push. It belongs to one worker: nobody else deletes it. */
export interface Image {
  readonly repository: string;
  readonly digest: string;
  readonly body: Buffer;
  readonly blobs: readonly Buffer[];
  /** `unknown` while a push or a deletion is under way, or where its answer was lost. */
  state: 'unknown' | 'living' | 'deleted';
}

export const repositories = ['stress/a', 'stress/b', 'stress/c'] as const;

const LAYERS = 32;
/** Layers that are in use at one moment, and for how long, milliseconds: the others become unneeded, and then are pushed again. */
const WINDOW = 4;
const SHIFT = 2000;

export function pick<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)];
  assert.ok(item !== undefined);
  return item;
}

/** Everything that was asked for, and what was answered. */
export class Ledger {
  readonly images: Image[] = [];
  readonly violations: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #layers = Array.from({ length: LAYERS }, (_, n) => layer(n));

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  layerOfNow(): Buffer {
    const first = Math.floor(Date.now() / SHIFT) * WINDOW;
    const found = this.#layers[(first + Math.floor(Math.random() * WINDOW)) % LAYERS];
    assert.ok(found !== undefined);
    return found;
  }

  anyLayer(): Buffer {
    return pick(this.#layers);
  }

  /** A new image of layers that are in use now. */
  newImage(worker: string): Image {
    const layers = [this.layerOfNow(), this.layerOfNow()];
    const config = Buffer.from(JSON.stringify({ worker, image: this.images.length }));
    const manifest = {
      schemaVersion: 2,
      mediaType: imageType,
      config: descriptor(config),
      layers: layers.map((bytes) => descriptor(bytes)),
    };
    const body = Buffer.from(JSON.stringify(manifest));
    const repository = pick(repositories);
    const image: Image = { repository, digest: digestOf(body), body, blobs: [config, ...layers], state: 'unknown' };
    this.images.push(image);
    return image;
  }

  livingImage(): Image | undefined {
    const living = this.images.filter(({ state }) => state === 'living');
    return living.length === 0 ? undefined : pick(living);
  }
}

/** Between one byte and some 200 KB, always the same for a number. */
function layer(n: number): Buffer {
  const size = 1 + ((n * 7919) % 200_000);
  const block = createHash('sha512').update(`layer ${n}`).digest();
  return Buffer.alloc(size, block);
}
