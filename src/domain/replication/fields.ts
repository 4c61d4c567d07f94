import { parseDuration } from '../duration.ts';
import { isJsonObject } from '../json.ts';

/** A part of a rule's spec while it is read: each problem is noted with the path of its field, and reading goes on. */
export class SpecFields {
  readonly #values: Record<string, unknown>;
  readonly #path: string;
  readonly #problems: string[];

  constructor(value: unknown, path: string, problems: string[]) {
    this.#values = isJsonObject(value) ? value : {};
    this.#path = path;
    this.#problems = problems;
    if (!isJsonObject(value)) problems.push(`${path}: must be an object`);
  }

  problem(field: string, text: string): void {
    this.#problems.push(`${this.#path}.${field}: ${text}`);
  }

  has(field: string): boolean {
    return this.#values[field] !== undefined;
  }

  refuseOthers(known: readonly string[]): void {
    for (const field of Object.keys(this.#values))
      if (!known.includes(field)) this.problem(field, 'this field is not known; check its spelling');
  }

  /** Undefined where it is left out. */
  part(field: string): SpecFields | undefined {
    return this.has(field) ? new SpecFields(this.#values[field], `${this.#path}.${field}`, this.#problems) : undefined;
  }

  text(field: string): string | undefined {
    const value = this.#values[field];
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    this.problem(field, 'must be a text that is not empty');
    return undefined;
  }

  /** Empty where it is left out. */
  texts(field: string): string[] {
    const value = this.#values[field];
    if (value === undefined) return [];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')) return value;
    this.problem(field, 'must be a list of texts, none of them empty');
    return [];
  }

  flag(field: string, otherwise: boolean): boolean {
    const value = this.#values[field] ?? otherwise;
    if (typeof value === 'boolean') return value;
    this.problem(field, 'must be true or false');
    return otherwise;
  }

  integer(field: string, most: number): number | undefined {
    const value = this.#values[field];
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
    this.problem(field, `must be a whole number from 1 to ${most}`);
    return undefined;
  }

  choice<const Choice extends string>(field: string, choices: readonly [Choice, ...Choice[]]): Choice {
    const value = this.#values[field];
    const known = choices.find((choice) => choice === value);
    if (known === undefined && value !== undefined) this.problem(field, `must be one of ${choices.join(', ')}`);
    return known ?? choices[0];
  }

  /** Milliseconds. */
  duration(field: string): number | undefined {
    return this.#read(field, parseDuration, 'must be a duration such as 30s, 5m or 1h');
  }

  /** A text through `read`, which answers undefined where it cannot be read. */
  parsed<T>(field: string, read: (text: string) => T | undefined, wanted: string): T | undefined {
    return this.#read(field, read, wanted);
  }

  #read<T>(field: string, read: (text: string) => T | undefined, wanted: string): T | undefined {
    const text = this.text(field);
    if (text === undefined) return undefined;
    const value = read(text);
    if (value === undefined) this.problem(field, wanted);
    return value;
  }
}
