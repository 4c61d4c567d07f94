import { Refusal } from '../../domain/errors.ts';
import type { Digest } from '../../domain/oci/digest.ts';
import type { Decision } from '../../domain/replication/decide.ts';
import { BlobLedger } from '../../transfer/copy/blob-ledger.ts';
import { parsePlatform } from '../../transfer/copy/platform.ts';
import { Hosts } from '../../transfer/registry/hosts.ts';
import { Slots } from '../../transfer/registry/slots.ts';
import type { RuleRow } from '../metadata/rules.ts';
import { Breaker } from './breaker.ts';
import { compare, type RepositoryResult } from './comparison.ts';
import type { RuleContext } from './context.ts';
import { type LoadedRule, load } from './document.ts';
import type { EngineParts } from './engine.ts';
import { failureOf } from './failure.ts';
import { comesBack, flowsOf, type KnownRule } from './flows.ts';
import { placesOf } from './places.ts';
import { CredentialsLost } from './sealed.ts';
import type { Flows } from './side.ts';
import { stateOf } from './state.ts';

/** One line of a plan. */
export type PlanLine =
  | {
      readonly repository: string;
      readonly tag: string;
      /** As the rule writes it. */
      readonly target: string;
      /** What the repository is called there. */
      readonly as: string;
      readonly action: 'copy' | 'delete' | 'conflict' | 'unchanged' | 'keep';
      readonly reason: string;
      readonly digest?: Digest;
      /** What the target's tag points at. */
      readonly present?: Digest;
    }
  | {
      readonly repository: string;
      readonly target?: string;
      readonly error: { readonly reason: string; readonly message: string };
    };

/** For how long what is known of the rules serves other registries that ask, milliseconds. */
const lifetime = 5000;

/** Answers questions about rules, in whatever process they are asked. */
export class ReplicationDesk {
  readonly #parts: EngineParts;
  #known: { readonly at: number; readonly rules: Promise<KnownRule[]> } | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** With which registries a repository is kept in step. */
  async flows(repository: string): Promise<Flows> {
    return flowsOf(await this.#rules(), repository);
  }

  /** A rule came, changed or went. */
  forget(): void {
    this.#known = undefined;
  }

  /** What a comparison would find now, line by line; undefined where there is no such rule. Nothing is carried out. */
  async plan(name: string, signal: AbortSignal): Promise<AsyncIterable<PlanLine> | undefined> {
    const row = await this.#metadata.rule('replication', name);
    return row === undefined ? undefined : this.#planOf(this.#loaded(row), signal);
  }

  #loaded(row: RuleRow): LoadedRule {
    try {
      return load(row, this.#parts.key());
    } catch (error) {
      if (!(error instanceof CredentialsLost)) throw error;
      throw new Refusal('UNSUPPORTED', error.message, { status: 409, cause: error });
    }
  }

  get #metadata() {
    return this.#parts.stores.metadata;
  }

  async *#planOf(loaded: LoadedRule, signal: AbortSignal): AsyncGenerator<PlanLine> {
    const hosts = new Hosts();
    const rules = (await this.#rules()).map((known) => known.loaded);
    const { source, targets } = placesOf(loaded, { ...this.#parts, hosts, referrers: { children: new Map() } });
    const { rule } = loaded;
    const { now, chance, log } = this.#parts;
    const context: RuleContext = {
      loaded,
      source,
      metadata: this.#metadata,
      log,
      slots: new Slots(rule.concurrency),
      bandwidth: undefined,
      ledger: new BlobLedger(),
      platforms: rule.platforms.map(parsePlatform),
      sharing: undefined,
      sourceBreaker: new Breaker({ waits: rule.retry, now, chance }),
      now,
      chance,
      returns: (question) => comesBack(rules, loaded, question),
    };
    try {
      for await (const result of compare({ context, places: targets, deep: true, signal }))
        yield* linesOf(result, now());
    } finally {
      hosts.close();
    }
  }

  #rules(): Promise<KnownRule[]> {
    const now = this.#parts.now();
    if (this.#known !== undefined && now - this.#known.at < lifetime) return this.#known.rules;
    const rules = this.#read();
    this.#known = { at: now, rules };
    rules.catch(() => {
      this.#known = undefined;
    });
    return rules;
  }

  async #read(): Promise<KnownRule[]> {
    const rows = await this.#metadata.rules('replication');
    return rows.flatMap((row) => {
      try {
        return [{ loaded: load(row, this.#parts.key()), peers: stateOf(row)?.peers ?? { targets: {} } }];
      } catch (error) {
        if (error instanceof CredentialsLost) return [];
        throw error;
      }
    });
  }
}

function linesOf(result: RepositoryResult, now: number): PlanLine[] {
  if ('error' in result) {
    const { reason, message } = failureOf(result.error, now);
    const { repository, place } = result;
    return [{ repository, ...(place !== undefined && { target: place.text }), error: { reason, message } }];
  }
  return result.findings.map(({ repository, tag, place, to, source, target, decision }) => ({
    repository,
    tag,
    target: place.text,
    as: to,
    ...saidOf(decision),
    ...(source?.digest !== undefined && { digest: source.digest }),
    ...(target?.digest !== undefined && target.deleted === undefined && { present: target.digest }),
  }));
}

function saidOf(decision: Decision): Pick<Extract<PlanLine, { action: string }>, 'action' | 'reason'> {
  switch (decision.action) {
    case 'copy':
      return { action: 'copy', reason: decision.reason };
    case 'delete':
      return { action: 'delete', reason: 'gone' };
    case 'conflict':
      return { action: 'conflict', reason: 'moved-by-others' };
    case 'none':
      return { action: decision.reason === 'equal' ? 'unchanged' : 'keep', reason: decision.reason };
    default:
      return {
        action: 'unchanged',
        reason: decision.action === 'note' && decision.missingSince !== undefined ? 'missing' : 'equal',
      };
  }
}
