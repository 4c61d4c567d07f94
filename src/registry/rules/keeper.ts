import type { RuleKind, RuleRow } from '../metadata/rules.ts';
import type { Awaitable } from '../metadata/store.ts';

/** What the operator, or an administrator, PUTs. */
export interface RuleBody {
  readonly name: string;
  /** Of the resource; a rule that was deleted and made again has another. */
  readonly uid: string;
  readonly generation: number;
  readonly spec: unknown;
  /** How the places that the spec names are reached: of replication alone. */
  readonly connections?: unknown;
}

/** Who looks after the rules of one kind: what the admin API has to know of them. */
export interface RuleKeeper {
  readonly kind: RuleKind;
  /** Everything that is wrong with it, each naming rule and field. None: it can run. */
  validate(body: RuleBody): Awaitable<readonly string[]>;
  /** What is kept of it: JSON, with whatever nobody may see sealed. */
  document(body: RuleBody): Awaitable<string>;
  /** Its `spec` as it was PUT, out of what was kept; no credentials. */
  spec(row: RuleRow): unknown;
  /** What is known of it, shaped like the resource's `status`, and `generation` and `problems`. */
  state(row: RuleRow): Awaitable<object>;
  /** A rule came, changed or went. */
  changed(name: string): void;
  /** Somebody wants it done now. */
  run(name: string): Awaitable<void>;
}

/** One thing that keeps a rule from doing all it should: becomes a condition of the resource. */
export interface Problem {
  /** Of the condition, such as `Conflict`. */
  readonly type: string;
  /** One word. */
  readonly reason: string;
  /** For people: what, and what to do about it. */
  readonly message: string;
}
