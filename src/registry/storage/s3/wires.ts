import type { SdkRequest } from './presign.ts';
import { type Head, type Outgoing, UNUSUAL, Wire, type WireEvents } from './wire.ts';

const MOST_IDLE = 16;

/** Connections to a bucket of our own, used again. */
export class Wires {
  readonly #ca: Buffer | undefined;
  readonly #idle: Wire[] = [];
  readonly #open = new Set<Wire>();
  #closed = false;

  /** @param ca PEM of who signed the bucket's certificate, where that is nobody whom Node knows */
  constructor(ca: Buffer | undefined) {
    this.#ca = ca;
  }

  /**
   * Sends a signed request. A connection that was idle may have been closed meanwhile: then a new one is tried at once.
   * @returns no head where the answer is nothing that is understood here; rejects as a connection does
   */
  async ask(
    request: SdkRequest & { readonly method: 'GET' | 'PUT' },
    signal: AbortSignal,
    body?: Outgoing,
  ): Promise<{ wire: Wire; head: Head | undefined }> {
    const text = textOf(request);
    for (;;) {
      const used = this.#idle.pop();
      if (used?.destroyed === true) continue;
      const wire = used ?? this.#connect(request);
      try {
        return { wire, head: await wire.ask(text, signal, body) };
      } catch (error) {
        wire.destroy();
        const { code } = error as { code?: string };
        if (code === UNUSUAL) return { wire, head: undefined };
        if (used === undefined || signal.aborted) throw error;
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const wire of this.#open) wire.destroy();
  }

  #connect({ protocol, hostname, port }: SdkRequest): Wire {
    const tls = protocol === 'https:';
    const place = { tls, hostname, port: port ?? (tls ? 443 : 80), ca: this.#ca };
    const wire = new Wire(place, this.#events);
    this.#open.add(wire);
    return wire;
  }

  readonly #events: WireEvents = {
    idle: (wire) => {
      if (this.#closed || this.#idle.length >= MOST_IDLE) wire.destroy();
      else this.#idle.push(wire);
    },
    // Each has a quarter of a megabyte to read into, which is not to stay.
    gone: (wire) => {
      this.#open.delete(wire);
      const at = this.#idle.indexOf(wire);
      if (at >= 0) this.#idle.splice(at, 1);
    },
  };
}

/** In the form of the SDK's own errors. */
export function inTrouble(status: number): Error {
  const $metadata = { httpStatusCode: status };
  return Object.assign(new Error(`the bucket answered ${status}`), { name: 'Error', $metadata });
}

/** As S3 wants names in paths: everything but unreserved characters, segment by segment. */
export function escaped(name: string): string {
  return name.split('/').map(escapedPart).join('/');
}

function escapedPart(text: string): string {
  const others = (one: string) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, others);
}

function textOf({ method, path, query = {}, headers }: SdkRequest & { readonly method: string }): string {
  const pairs = Object.entries(query).map(
    ([name, value]) => `${escapedPart(name)}=${escapedPart(String(value ?? ''))}`,
  );
  const target = pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
