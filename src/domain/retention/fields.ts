import { isJsonObject } from '../json.ts';

/** An object of a policy while it is read: each problem is noted with the path of its field, and reading goes on. */
export class Fields {
  readonly #values: Record<string, unknown>;
  readonly #path: string;
  readonly #problems: string[];

  /** Undefined, with a problem noted, where `value` is no object. */
  static of(value: unknown, path: string, problems: string[]): Fields | undefined {
    if (isJsonObject(value)) return new Fields(value, path, problems);
    problems.push(`${path}: must be an object`);
    return undefined;
  }

  private constructor(values: Record<string, unknown>, path: string, problems: string[]) {
    this.#values = values;
    this.#path = path;
    this.#problems = problems;
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

  object(field: string): Fields | undefined {
    if (this.has(field)) return Fields.of(this.#values[field], `${this.#path}.${field}`, this.#problems);
    this.problem(field, 'is missing');
    return undefined;
  }

  text(field: string): string | undefined {
    const value = this.#values[field];
    if (value === undefined || typeof value === 'string') return value;
    this.problem(field, 'must be a text');
    return undefined;
  }

  /** A list of texts that are not empty, with at least one. */
  texts(field: string): string[] {
    const value = this.#values[field];
    const texts = Array.isArray(value) ? value.filter((item) => typeof item === 'string' && item !== '') : [];
    if (!Array.isArray(value) || value.length === 0 || texts.length < value.length) {
      this.problem(field, 'must be a list of at least one text, none of them empty');
      return [];
    }
    return texts as string[];
  }

  /** A whole number that a program can hold exactly. */
  integer(field: string, least: number): number | undefined {
    const value = this.#values[field];
    if (value === undefined) this.problem(field, 'is missing');
    else if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
      this.problem(field, `must be a whole number from ${least} to 2^53 - 1`);
    else return value;
    return undefined;
  }

  choice<const Choice extends string>(field: string, choices: readonly Choice[], required = false): Choice | undefined {
    const value = this.#values[field];
    if (value === undefined) {
      if (required) this.problem(field, `is missing; it is one of ${choices.join(', ')}`);
      return undefined;
    }
    const known = choices.find((choice) => choice === value);
    if (known === undefined) this.problem(field, `must be ${choices.length > 1 ? 'one of ' : ''}${choices.join(', ')}`);
    return known;
  }
}
