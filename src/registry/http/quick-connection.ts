import type { Socket } from 'node:net';
import { giveBack } from '../../platform/give-back.ts';
import type { Caller, Identity } from '../auth/contract.ts';
import type { BlobRow, ManifestRow, ManifestWithBytes, Reference } from '../metadata/store.ts';
import type { BlobReader } from '../storage/store.ts';
import { type Answers, longestCopied } from './answers.ts';
import { isDisconnect, type Rooms } from './api.ts';
import { blobHeaders } from './blobs.ts';
import { heavy } from './intake.ts';
import { manifestHeaders } from './manifests.ts';
import { longestHead, plainHeaders, plainRequestLine, type RequestLine } from './plain-request.ts';
import { parseRoute, type Route } from './route.ts';

export interface QuickOptions {
  readonly rooms: Rooms;
  readonly answers: Answers;
  /** Milliseconds until the first request, and between two. */
  readonly timeouts: { readonly first: number; readonly keepAlive: number };
  /** Gives the connection to Node's server. */
  serve(): void;
  /** The connection has closed or was given away. */
  left(): void;
}

/** Who sends these headers: known until a token expires or anything is reloaded. */
interface Sender {
  readonly block: string;
  readonly caller: Caller;
  readonly identity: Identity;
  readonly configuration: object;
}

/** A request that is being answered, for the metrics and the log. */
interface UnderWay {
  readonly request: RequestLine;
  readonly route: 'manifest' | 'blob';
  readonly sender: Sender;
  readonly began: number;
}

/** One connection in the quick lane, from its start until it closes or is handed over. One request at a time. */
export class QuickConnection {
  readonly #socket: Socket;
  readonly #options: QuickOptions;
  #sender: Sender | undefined;
  #underWay: UnderWay | undefined;
  /** What arrived while an answer was under way. */
  #held: Buffer | undefined;
  #answeredOne = false;
  #leaving = false;
  #halfClosed = false;

  constructor(socket: Socket, options: QuickOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setTimeout(options.timeouts.first);
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    socket.on('error', this.#onError).on('timeout', this.#onTimeout);
  }

  /** Answers nothing more; with `end`, closes now where nothing is under way. */
  leave(end: boolean): void {
    this.#leaving = true;
    if (end && this.#underWay === undefined) this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#underWay !== undefined) {
      this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
      this.#socket.pause();
    } else if (this.#leaving || !this.#answered(chunk)) this.#handOver(chunk);
  };

  /** The client sends no more; what it asked for it still gets. */
  readonly #onEnd = (): void => {
    this.#halfClosed = true;
    if (this.#underWay === undefined) this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#finish(499);
    this.#options.left();
  };

  /** `close` follows. */
  readonly #onError = (): void => undefined;

  readonly #onTimeout = (): void => {
    this.#socket.destroy();
  };

  /** The kernel has all of the answer. */
  readonly #sent = (error?: Error | null): void => {
    if (error) return;
    this.#finish(200);
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      this.#socket.resume();
      this.#onData(held);
    } else if (this.#halfClosed || this.#leaving) this.#socket.end();
  };

  /** Whether the chunk was one whole request that this lane answers. Nothing was written where it was not. */
  #answered(chunk: Buffer): boolean {
    try {
      return this.#answer(chunk);
    } catch {
      // Whatever is wrong, Node's side finds it as well, and tells the client and the log.
      this.#underWay = undefined;
      return false;
    }
  }

  #answer(chunk: Buffer): boolean {
    if (chunk.byteLength > longestHead) return false;
    const began = performance.now();
    const text = chunk.toString('latin1');
    const line = text.indexOf('\r\n');
    const request = line < 0 ? undefined : plainRequestLine(text.slice(0, line));
    const route = request && parseRoute(request.path);
    if (request === undefined || route === undefined || !isQuick(request, route)) return false;
    const sender = this.#senderOf(text.slice(line + 2));
    const { gate, admission, settings } = this.#options.rooms;
    if (sender === undefined || !gate.allows(sender.identity, 'Pull', route.repository)) return false;
    if (!admission.admits(sender.caller.address, settings().limits)) return false;
    this.#underWay = { request, route: route.kind, sender, began };
    const found = route.kind === 'manifest' ? this.#manifest(request, route) : this.#blob(route, chunk);
    if (!found) this.#underWay = undefined;
    return found;
  }

  /** Remembered as long as the client sends the same headers and nothing was reloaded. */
  #senderOf(block: string): Sender | undefined {
    const { gate, callerOf, configuration, now } = this.#options.rooms;
    const known = this.#sender;
    if (known?.block === block && known.configuration === configuration()) {
      const { until } = known.identity;
      if (until === undefined || now() < until) return known;
    }
    const headers = plainHeaders(block);
    if (headers === undefined) return undefined;
    const caller = callerOf({ socket: this.#socket, headers });
    const identity = gate.identify(caller);
    if (identity instanceof Promise) {
      // Node's side waits for the same check.
      identity.catch(() => undefined);
      return undefined;
    }
    this.#sender = { block, caller, identity, configuration: configuration() };
    return this.#sender;
  }

  #manifest({ method }: RequestLine, { repository, reference }: { repository: string; reference: Reference }): boolean {
    const { metadata, pulls } = this.#options.rooms;
    const { answers } = this.#options;
    if (method === 'HEAD') {
      const row = metadata.manifest(repository, reference);
      return isHere(row) && this.#writeOne(answers.head(row, () => manifestHeaders(row)));
    }
    const known = metadata.manifest(repository, reference);
    // Large ones are sent one at a time, on Node's side.
    if (!isHere(known) || known.size > heavy) return false;
    const row = 'bytes' in known ? (known as ManifestWithBytes) : metadata.manifestBytes(repository, reference);
    if (!isHere(row)) return false;
    if (row.size > longestCopied) {
      pulls.note(repository, row.digest);
      return this.#writeTwo(
        answers.head(row, () => manifestHeaders(row)),
        row,
      );
    }
    const made = () => {
      // Once a second is often enough for what is written down by the hour.
      pulls.note(repository, row.digest);
      return manifestHeaders(row);
    };
    return this.#writeOne(answers.whole(row, made));
  }

  #blob({ repository, digest }: Route & { kind: 'blob' }, chunk: Buffer): boolean {
    const { metadata, blobs } = this.#options.rooms;
    const row = metadata.blob(repository, digest);
    const head = isHere(row) ? this.#options.answers.head(row, () => blobHeaders(row)) : undefined;
    if (!isHere(row) || head === undefined) return false;
    const bytes = blobs.content?.(row.key);
    if (bytes?.byteLength === row.size) return this.#writeTwo(head, { bytes });
    void this.#stream(row, head, chunk);
    return true;
  }

  #writeOne(answer: Buffer | undefined): boolean {
    if (answer === undefined) return false;
    this.#socket.write(answer, this.#sent);
    return true;
  }

  /** Head and body in one system call. */
  #writeTwo(head: Buffer | undefined, { bytes, exclusive }: Pick<ManifestWithBytes, 'bytes' | 'exclusive'>): boolean {
    if (head === undefined) return false;
    const socket = this.#socket;
    const free = (error?: Error | null) => {
      giveBack(bytes);
      this.#sent(error);
    };
    socket.cork();
    socket.write(head);
    socket.write(bytes, exclusive ? free : this.#sent);
    socket.uncork();
    return true;
  }

  /** Sends a blob from the store. What goes wrong before its first byte is left to Node's side. */
  async #stream(row: BlobRow, head: Buffer, chunk: Buffer): Promise<void> {
    const { admission, settings, log } = this.#options.rooms;
    const { address } = (this.#underWay as UnderWay).sender.caller;
    const leave = admission.enter(address, false, settings().limits);
    const reader = await this.#open(row);
    try {
      if (reader === undefined) return this.#giveUp(chunk);
      this.#socket.write(head);
      if (row.size > 0) await reader.send(this.#socket, 0, row.size - 1, address);
      this.#sent();
    } catch (error) {
      if (!isDisconnect(error)) log.error({ err: error, key: row.key }, 'a blob broke off');
      this.#socket.destroy();
    } finally {
      leave();
      await reader?.close();
    }
  }

  /** A reader of all the bytes, where they are here and this process is the one to send them. */
  async #open(row: BlobRow): Promise<BlobReader | undefined> {
    const whole = { start: 0, end: row.size - 1 };
    const reader = await this.#options.rooms.blobs.open(row.key, whole).catch(() => undefined);
    if (reader === undefined || (reader.size === row.size && reader.location === undefined)) return reader;
    await reader.close();
    return undefined;
  }

  #giveUp(chunk: Buffer): void {
    if (this.#socket.destroyed) return;
    this.#underWay = undefined;
    this.#handOver(this.#held === undefined ? chunk : Buffer.concat([chunk, this.#held]));
    this.#socket.resume();
  }

  #finish(status: number): void {
    const done = this.#underWay;
    if (done === undefined) return;
    this.#underWay = undefined;
    if (!this.#answeredOne) this.#socket.setTimeout(this.#options.timeouts.keepAlive);
    this.#answeredOne = true;
    const { observe, log } = this.#options.rooms;
    const { method, path: url } = done.request;
    const milliseconds = performance.now() - done.began;
    observe({ route: done.route, method, status, seconds: milliseconds / 1000 });
    if (log.isLevelEnabled?.('debug') === false) return;
    const user = done.sender.identity.name;
    log.debug({ method, url, status, ms: Math.round(milliseconds), user, whole: status === 200 }, 'request');
  }

  #handOver(chunk: Buffer): void {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    socket.off('error', this.#onError).off('timeout', this.#onTimeout);
    this.#options.left();
    this.#options.serve();
    // Read already, so Node's parser gets it from here; everything after it takes Node's usual way.
    socket.emit('data', chunk);
  }
}

/** `HEAD` of a blob makes a promise to a push, which takes a write. */
function isQuick({ method }: RequestLine, route: Route): route is Route & { kind: 'manifest' | 'blob' } {
  return route.kind === 'manifest' || (route.kind === 'blob' && method === 'GET');
}

/** A row at once: neither missing nor on its way from a remote store. */
function isHere<T extends ManifestRow | BlobRow>(row: T | undefined | Promise<T | undefined>): row is T {
  if (row instanceof Promise) row.catch(() => undefined);
  return row !== undefined && !(row instanceof Promise);
}
