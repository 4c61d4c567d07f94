import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';

/**
 * The chunks of a large body as they leave the socket. Node's own iterator takes the socket out of the event loop after every
 * chunk and puts it back for the next; this one does so only where nobody waits for a chunk, and holds one at most. Who stops in
 * the middle can still answer: the connection is not torn down with the loop. Rejects where the body ends before its end.
 */
export function flowing(request: IncomingMessage): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => new Flow(request) };
}

type Step = IteratorResult<Buffer, undefined>;
const end: Step = { done: true, value: undefined };

class Flow implements AsyncIterator<Buffer, undefined> {
  readonly #request: IncomingMessage;
  readonly #arrived: Buffer[] = [];
  readonly #forget: () => void;
  #waiting: PromiseWithResolvers<Step> | undefined;
  /** Nothing more comes, because of this error or because it was all. */
  #over: { readonly error: Error | undefined } | undefined;

  constructor(request: IncomingMessage) {
    this.#request = request;
    const take = (chunk: Buffer) => this.#take(chunk);
    const cleanUp = finished(request, { writable: false }, (error) => this.#finish(error ?? undefined));
    this.#forget = () => {
      cleanUp();
      request.off('data', take);
    };
    request.on('data', take);
  }

  next(): Promise<Step> {
    const chunk = this.#arrived.shift();
    if (chunk !== undefined) return Promise.resolve({ done: false, value: chunk });
    if (this.#over !== undefined) return this.#last(this.#over.error);
    this.#waiting = Promise.withResolvers<Step>();
    if (this.#request.isPaused()) this.#request.resume();
    return this.#waiting.promise;
  }

  return(): Promise<Step> {
    this.#forget();
    this.#arrived.length = 0;
    if (this.#over === undefined) this.#request.pause();
    this.#over ??= { error: undefined };
    return Promise.resolve(end);
  }

  #take(chunk: Buffer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) {
      this.#arrived.push(chunk);
      this.#request.pause();
    } else waiting.resolve({ done: false, value: chunk });
  }

  #finish(error: Error | undefined): void {
    this.#forget();
    this.#over = { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (error === undefined) waiting?.resolve(end);
    else waiting?.reject(error);
  }

  #last(error: Error | undefined): Promise<Step> {
    return error === undefined ? Promise.resolve(end) : Promise.reject(error);
  }
}
