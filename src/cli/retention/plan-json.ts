import { textLength } from '../../domain/retention/digests.ts';
import type { Decision, Plan } from '../../domain/retention/plan.ts';
import type { ImageTable } from '../../domain/retention/table.ts';
import type { ByteWriter } from './byte-writer.ts';

const [quote, comma, backslash] = [0x22, 0x2c, 0x5c];
/** There are as many decisions as outcomes of rules, and one for each image that something else keeps or takes along. */
const mostDecisions = 256;

const bytesOf = {
  first: Buffer.from('\n{"imageDigest":'),
  next: Buffer.from(',\n{"imageDigest":'),
  imageTags: Buffer.from(',"imageTags":['),
};

/** Writes the images of a plan as `JSON.stringify` would, each on a line of its own. */
export class PlanJson {
  readonly #table: ImageTable;
  readonly #plan: Plan;
  readonly #writer: ByteWriter;
  readonly #decisions = new Map<Decision, Buffer>();
  readonly #addTag = (bytes: Buffer, start: number, end: number) => this.#tag(bytes, start, end);
  #isFirstTag = true;

  constructor(table: ImageTable, plan: Plan, writer: ByteWriter) {
    this.#table = table;
    this.#plan = plan;
    this.#writer = writer;
  }

  begin(): void {
    this.#writer.add('{"images":[');
  }

  /** The image at this position, after all those before it. */
  add(image: number): void {
    const writer = this.#writer;
    writer.addBytes(image === 0 ? bytesOf.first : bytesOf.next);
    this.#digest(image);
    writer.addBytes(bytesOf.imageTags);
    this.#isFirstTag = true;
    this.#table.tags.each(image, this.#addTag);
    writer.addBytes(this.#decision(image));
  }

  end(): void {
    this.#writer.add(`\n],"summary":${JSON.stringify({ expiringImageTotalCount: this.#plan.expiring })}}\n`);
  }

  #digest(image: number): void {
    const writer = this.#writer;
    const start = writer.claim(textLength + 2);
    if (this.#table.writeDigest(image, writer.bytes, start + 1)) {
      writer.bytes[start] = quote;
      writer.bytes[start + textLength + 1] = quote;
    } else {
      writer.release(start);
      writer.add(JSON.stringify(this.#table.digest(image)));
    }
  }

  #tag(tags: Buffer, from: number, to: number): void {
    const writer = this.#writer;
    if (!this.#isFirstTag) writer.addByte(comma);
    this.#isFirstTag = false;
    if (hasEscapes(tags, from, to)) writer.add(JSON.stringify(tags.toString('utf8', from, to)));
    else this.#quote(tags, from, to);
  }

  #quote(text: Buffer, from: number, to: number): void {
    const writer = this.#writer;
    let at = writer.claim(to - from + 2);
    const { bytes } = writer;
    bytes[at++] = quote;
    for (let index = from; index < to; index++) bytes[at++] = text[index] ?? 0;
    bytes[at] = quote;
  }

  #decision(image: number): Buffer {
    const decision = this.#plan.decision(image);
    const known = this.#decisions.get(decision);
    if (known !== undefined) return known;
    const { action, rulePriority: appliedRulePriority, reason } = decision;
    const text = Buffer.from(`],${JSON.stringify({ action, appliedRulePriority, reason }).slice(1)}`);
    if (this.#decisions.size === mostDecisions) this.#decisions.clear();
    this.#decisions.set(decision, text);
    return text;
  }
}

function hasEscapes(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const code = bytes[at] ?? 0;
    if (code < 0x20 || code === quote || code === backslash) return true;
  }
  return false;
}
