import type { Socket } from 'node:net';
import { giveBack } from '../../platform/give-back.ts';
import type { Caller, Identity } from '../auth/contract.ts';
import type { Awaitable, BlobRow, ManifestWithBytes } from '../metadata/store.ts';
import type { BlobReader } from '../storage/store.ts';
import { type Answers, longestCopied, longestCopiedEncrypted } from './answers.ts';
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
  /** Bytes of a body that goes behind its head in one piece. */
  readonly #mostCopied: number;
  #sender: Sender | undefined;
  #underWay: UnderWay | undefined;
  /** The store has been asked and will answer. */
  #asking = false;
  /** Counts an answer out that the client did not take at once. */
  #leave: (() => void) | undefined;
  /** What arrived while an answer was under way. */
  #held: Buffer | undefined;
  #answeredOne = false;
  #leaving = false;
  #halfClosed = false;

  constructor(socket: Socket, options: QuickOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#mostCopied = 'encrypted' in socket ? longestCopiedEncrypted : longestCopied;
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

  /** The store bounds its own time; the client is not to blame for it. */
  readonly #onTimeout = (): void => {
    if (!this.#asking) this.#socket.destroy();
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
    const answered = route.kind === 'manifest' ? this.#manifest(route, chunk) : this.#blob(route, chunk);
    if (!answered) this.#underWay = undefined;
    return answered;
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

  #manifest({ repository, reference }: Route & { kind: 'manifest' }, chunk: Buffer): boolean {
    const { metadata, blobs } = this.#options.rooms;
    const whole = () =>
      this.#when(metadata.manifestBytes(repository, reference), chunk, (row) =>
        this.#noteManifest(repository, row, chunk),
      );
    // Each question to a remote store takes its time, so it is asked one.
    if (!this.#headOnly && blobs.shared) return whole();
    return this.#when(metadata.manifest(repository, reference), chunk, (row) => {
      if (this.#headOnly) return this.#writeOne(this.#options.answers.head(row, manifestHeaders));
      // Large ones are sent one at a time, on Node's side.
      if (row.size > heavy) return false;
      return 'bytes' in row ? this.#noteManifest(repository, row as ManifestWithBytes, chunk) : whole();
    });
  }

  get #headOnly(): boolean {
    return this.#underWay?.request.method === 'HEAD';
  }

  #blob({ repository, digest }: Route & { kind: 'blob' }, chunk: Buffer): boolean {
    const { metadata, blobs } = this.#options.rooms;
    return this.#when(metadata.blob(repository, digest), chunk, (row) => {
      const head = this.#options.answers.head(row, blobHeaders);
      if (head === undefined) return false;
      const bytes = blobs.content?.(row.key);
      if (bytes?.byteLength === row.size) return this.#writeKept({ ...row, bytes }, head);
      void this.#stream(row, head, chunk);
      return true;
    });
  }

  /** Goes on with the row at once, or when the store tells it; the request is under way until then. False where there is none. */
  #when<Row>(found: Awaitable<Row | undefined>, chunk: Buffer, write: (row: Row) => boolean): boolean {
    if (!(found instanceof Promise)) return found !== undefined && write(found);
    const { admission, settings } = this.#options.rooms;
    const leave = admission.enter(this.#caller.address, false, settings().limits);
    const arrived = (row?: Row) => {
      this.#asking = false;
      leave();
      this.#arrived(row, chunk, write);
    };
    this.#asking = true;
    // Node's side asks again, and says what is wrong.
    found.then(arrived, () => arrived());
    return true;
  }

  #arrived<Row>(row: Row | undefined, chunk: Buffer, write: (row: Row) => boolean): void {
    if (this.#socket.destroyed) return;
    try {
      const { admission, settings } = this.#options.rooms;
      const goesOn = !this.#leaving && admission.admits(this.#caller.address, settings().limits);
      if (goesOn && row !== undefined && write(row)) return;
    } catch {
      // As in #answered.
    }
    this.#giveUp(chunk);
  }

  /** Once it is noted that it was pulled. */
  #noteManifest(repository: string, row: ManifestWithBytes, chunk: Buffer): boolean {
    const noted = this.#options.rooms.pulls.note(repository, row.digest);
    const sent = noted?.then((there) => (there ? row : undefined)) ?? row;
    return this.#when(sent, chunk, (found) => this.#writeManifest(found));
  }

  #writeKept(row: BlobRow & { bytes: Uint8Array }, head: Buffer): boolean {
    if (row.size > this.#mostCopied) return this.#writeTwo(head, row);
    return this.#writeOne(this.#options.answers.whole(row, blobHeaders));
  }

  #writeManifest(row: ManifestWithBytes): boolean {
    const { answers } = this.#options;
    if (row.size > this.#mostCopied) return this.#writeTwo(answers.head(row, manifestHeaders), row);
    return this.#writeOne(answers.whole(row, manifestHeaders));
  }

  #writeOne(answer: Buffer | undefined): boolean {
    if (answer === undefined) return false;
    this.#socket.write(answer, this.#sent);
    this.#countWhereSlow();
    return true;
  }

  /** What is not taken at once holds memory, and is in flight like any other request of its address. There was room a moment ago. */
  #countWhereSlow(): void {
    if (this.#socket.writableLength === 0) return;
    const { admission, settings } = this.#options.rooms;
    this.#leave = admission.enter(this.#caller.address, false, settings().limits);
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
    this.#countWhereSlow();
    return true;
  }

  /** Sends a blob from the store. What goes wrong before its first byte is left to Node's side. */
  async #stream(row: BlobRow, head: Buffer, chunk: Buffer): Promise<void> {
    const { admission, settings, log } = this.#options.rooms;
    const { address } = this.#caller;
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

  get #caller(): Caller {
    return (this.#underWay as UnderWay).sender.caller;
  }

  #giveUp(chunk: Buffer): void {
    if (this.#socket.destroyed) return;
    this.#underWay = undefined;
    const request = this.#halfClosed ? asLast(chunk) : chunk;
    this.#handOver(this.#held === undefined ? request : Buffer.concat([request, this.#held]));
    this.#socket.resume();
  }

  #finish(status: number): void {
    const done = this.#underWay;
    if (done === undefined) return;
    this.#underWay = undefined;
    this.#leave?.();
    this.#leave = undefined;
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

/** The client has sent its end already, which Node's parser does not hear any more: the field tells it to end with its answer. */
function asLast(request: Buffer): Buffer {
  return Buffer.concat([request.subarray(0, -2), Buffer.from('Connection: close\r\n\r\n')]);
}
