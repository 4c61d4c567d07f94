import type { Digest } from '../../domain/oci/digest.ts';

/** Bytes of answers that are kept for the rest of their second. */
const mostBytes = 1024 * 1024;
/** A longer body is written from where it is instead of copied behind its head. */
export const longestCopied = 16 * 1024;
/** The same where it is encrypted: what is written in two pieces is copied into one first, for every answer. */
export const longestCopiedEncrypted = 64 * 1024;

type Headers = Readonly<Record<string, string | number>>;

/** All that an answer is made of: rows that agree in it get the same one. */
interface Facts {
  readonly digest: Digest;
  readonly size: number;
  /** Of a manifest. */
  readonly mediaType?: string;
}

interface Kept extends Facts {
  readonly answer: Buffer;
}

/**
 * Whole answers as they go over the wire, kept while their `Date` is true: what is pulled a thousand times a second is put
 * together once. They are found by what the metadata says now, so they can be no older than that.
 */
export class Answers {
  readonly #now: () => number;
  readonly #keepAliveSeconds: number;
  #second = -1;
  #date = '';
  #bytes = 0;
  #heads = new Map<Digest, Kept>();
  #wholes = new Map<Digest, Kept>();

  /** @param now milliseconds since the epoch */
  constructor(now: () => number, keepAliveSeconds: number) {
    this.#now = now;
    this.#keepAliveSeconds = keepAliveSeconds;
  }

  /** The head of a 200 with these headers, which tell nothing but the row's facts; undefined where one of them cannot be sent as it is. */
  head<Row extends Facts>(row: Row, headers: (row: Row) => Headers): Buffer | undefined {
    this.#tick();
    const known = same(this.#heads.get(row.digest), row);
    if (known !== undefined) return known;
    const text = this.#serialize(headers(row));
    return text === undefined ? undefined : this.#keep(this.#heads, row, Buffer.from(text, 'latin1'));
  }

  /** Head and body of something small in one piece. */
  whole<Row extends Facts & { readonly bytes: Uint8Array }>(
    row: Row,
    headers: (row: Row) => Headers,
  ): Buffer | undefined {
    this.#tick();
    const known = same(this.#wholes.get(row.digest), row);
    if (known !== undefined) return known;
    const head = this.#serialize(headers(row));
    if (head === undefined) return undefined;
    return this.#keep(this.#wholes, row, Buffer.concat([Buffer.from(head, 'latin1'), row.bytes]));
  }

  #tick(): void {
    const second = Math.floor(this.#now() / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#date = new Date(second * 1000).toUTCString();
    this.#forget();
  }

  #keep(answers: Map<Digest, Kept>, { digest, size, mediaType }: Facts, answer: Buffer): Buffer {
    this.#bytes += answer.byteLength;
    if (this.#bytes > mostBytes) this.#forget();
    answers.set(digest, { digest, size, answer, ...(mediaType !== undefined && { mediaType }) });
    return answer;
  }

  #forget(): void {
    this.#heads.clear();
    this.#wholes.clear();
    this.#bytes = 0;
  }

  /** As Node would: its own fields come last. */
  #serialize(headers: Headers): string | undefined {
    let text = 'HTTP/1.1 200 OK\r\ndocker-distribution-api-version: registry/2.0\r\n';
    for (const [name, value] of Object.entries(headers)) {
      // A media type is the client's word: nothing in it may end the field.
      if (typeof value === 'string' && !/^[\x20-\x7e]*$/.test(value)) return undefined;
      text += `${name}: ${value}\r\n`;
    }
    return `${text}Date: ${this.#date}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${this.#keepAliveSeconds}\r\n\r\n`;
  }
}

function same(known: Kept | undefined, { size, mediaType }: Facts): Buffer | undefined {
  return known !== undefined && known.size === size && known.mediaType === mediaType ? known.answer : undefined;
}
