import type { KeyObject } from 'node:crypto';
import { BlobLedger } from '../../transfer/copy/blob-ledger.ts';
import { Hosts } from '../../transfer/registry/hosts.ts';
import type { RuleRow } from '../metadata/rules.ts';
import type { ChangeRow } from '../metadata/store.ts';
import { type LoadedRule, load } from './document.ts';
import { comesBack } from './flows.ts';
import type { RuleFigures } from './metrics.ts';
import { RuleRunner } from './runner.ts';
import type { RunnerParts } from './runner-parts.ts';
import { CredentialsLost } from './sealed.ts';
import { stateOf } from './state.ts';

export interface EngineParts extends Omit<RunnerParts, 'hosts' | 'ledger' | 'referrers' | 'returns' | 'settled'> {
  /** The private key that tokens are signed with. */
  key(): KeyObject;
}

/** How often, milliseconds: changes of this registry's own images are read; states kept while work goes on, and when it ends. */
const every = { changes: 200, states: 1000, ends: 100 };
/** Changes that are read at once. */
const mostChanges = 1000;

/** The rules of this registry at work, all in one process. */
export class ReplicationEngine {
  readonly #parts: EngineParts;
  readonly #shared: RunnerParts;
  readonly #runners = new Map<string, RuleRunner>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Changes up to this one have been handed out. */
  #read = Number.POSITIVE_INFINITY;
  #busy: Promise<void> = Promise.resolve();
  #stopped = false;
  #reading = false;
  #keptAt = 0;
  #keeping: NodeJS.Timeout | undefined;
  #kept: Promise<void> = Promise.resolve();

  constructor(parts: EngineParts) {
    this.#parts = parts;
    const rules = () => [...this.#runners.values()].map(({ loaded }) => loaded);
    this.#shared = {
      ...parts,
      hosts: new Hosts(),
      ledger: new BlobLedger(),
      referrers: { children: new Map() },
      returns: (loaded, question) => comesBack(rules(), loaded, question),
      settled: () => this.#keepSoon(),
    };
  }

  /** Changes from now on are followed; what was before is for the first comparison to find. */
  async start(): Promise<void> {
    this.#read = await this.#metadata.lastSequence();
    await this.look();
    this.#every(every.changes, () => void this.#follow());
    this.#every(every.states, () => void this.#keepStates());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#keeping);
    await this.#busy;
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
    await this.#keepStates();
    this.#runners.clear();
    this.#shared.hosts.close();
  }

  /** Takes up rules that came, changed or went. Never rejects. */
  look(): Promise<void> {
    this.#busy = this.#busy
      .then(() => this.#takeUp())
      .catch((error: unknown) => {
        this.#parts.log.warn({ err: error }, 'the rules of replication cannot be read; tried again in a while');
      });
    return this.#busy;
  }

  run(name: string): void {
    this.#runners.get(name)?.runNow();
  }

  retry(name: string): void {
    this.#runners.get(name)?.retry();
  }

  /** What it needs to plan for a rule without carrying anything out. */
  get shared(): RunnerParts {
    return this.#shared;
  }

  figures(): RuleFigures {
    const now = this.#parts.now();
    const runners = [...this.#runners.values()];
    return {
      targets: runners.flatMap(({ loaded, lanes }) =>
        lanes.map(({ place, pending, lastSuccess, lagSince, traffic, conflicts }) => ({
          rule: loaded.name,
          target: place.text,
          lag: lagSince === undefined ? 0 : Math.max(0, now - lagSince) / 1000,
          ...(lastSuccess !== undefined && { lastSuccess: lastSuccess / 1000 }),
          pending: pending.size,
          pendingBytes: traffic.outstanding,
          conflicts: conflicts.size,
        })),
      ),
      halted: runners.map(({ loaded, halted }) => ({ rule: loaded.name, tags: halted })),
    };
  }

  get #metadata() {
    return this.#parts.stores.metadata;
  }

  #every(milliseconds: number, work: () => void): void {
    this.#timers.push(setInterval(work, milliseconds).unref());
  }

  async #takeUp(): Promise<void> {
    if (this.#stopped) return;
    const rows = await this.#metadata.rules('replication');
    const names = new Set(rows.map(({ name }) => name));
    for (const [name, runner] of this.#runners) {
      if (names.has(name)) continue;
      this.#runners.delete(name);
      await runner.stop();
      this.#parts.metrics.forget(
        name,
        runner.loaded.rule.targets.map(({ text }) => text),
      );
      await this.#metadata.dropCopies(name);
    }
    for (const row of rows) await this.#takeUpOne(row);
  }

  async #takeUpOne(row: RuleRow): Promise<void> {
    const runner = this.#runners.get(row.name);
    if (runner !== undefined && isSame(runner.loaded, row)) return;
    const loaded = await this.#loaded(row);
    if (loaded === undefined) return;
    this.#runners.delete(row.name);
    await runner?.stop();
    // Another rule of that name knows nothing of what this one copied.
    if (runner !== undefined && runner.loaded.uid !== row.uid) await this.#metadata.dropCopies(row.name);
    else
      await this.#metadata.dropCopies(
        row.name,
        loaded.rule.targets.map(({ text }) => text),
      );
    const { state } = (await this.#metadata.rule('replication', row.name)) ?? row;
    const next = new RuleRunner(loaded, this.#shared, stateOf({ ...(state !== undefined && { state }) }));
    this.#runners.set(row.name, next);
    next.start();
  }

  /** Undefined, and its state says so, where its credentials cannot be opened any more. */
  async #loaded(row: RuleRow): Promise<LoadedRule | undefined> {
    try {
      return load(row, this.#parts.key());
    } catch (error) {
      if (!(error instanceof CredentialsLost)) throw error;
      const known = stateOf(row);
      const message = `${error.message}: whoever wrote the rule has to write it again with its connections`;
      const state = { targets: [], peers: { targets: {} }, ...known, generation: row.generation };
      await this.#keep(row, { ...state, problems: [{ type: 'Stalled', reason: 'CredentialsLost', message }] });
      await this.#runners.get(row.name)?.stop();
      this.#runners.delete(row.name);
      return undefined;
    }
  }

  /** Reads what was changed since it last looked, and wakes whom it concerns. */
  async #follow(): Promise<void> {
    if (this.#reading || this.#stopped) return;
    this.#reading = true;
    try {
      const followers = [...this.#runners.values()].filter((runner) => runner.follows);
      for (let full = true; full && !this.#stopped; ) {
        const changes = await this.#metadata.changes(this.#read, mostChanges);
        for (const change of changes) await this.#handOut(change, followers);
        this.#read = changes.at(-1)?.sequence ?? this.#read;
        full = changes.length === mostChanges;
      }
    } catch (error) {
      // The next look reads the same again.
      if (!this.#stopped) this.#parts.log.warn({ err: error }, 'changes cannot be read for replication; tried again');
    } finally {
      this.#reading = false;
    }
  }

  async #handOut(change: ChangeRow, followers: readonly RuleRunner[]): Promise<void> {
    const { kind, repository, tag, digest, at, origin } = change;
    if (followers.length === 0) return;
    if ((kind === 'tag-set' || kind === 'tag-deleted') && tag !== undefined) {
      for (const runner of followers) runner.tagChanged({ repository, tag, at, origin });
    } else if (kind === 'manifest-put' && digest !== undefined) {
      const subject = (await this.#metadata.manifest(repository, { digest }))?.subject;
      if (subject === undefined) return;
      for (const runner of followers) runner.referrerChanged({ repository, subject, at });
    }
  }

  /** Somebody may be waiting for the end of just this; where ends come by the dozen, they are kept together. */
  #keepSoon(): void {
    if (this.#stopped || this.#keeping !== undefined) return;
    const wait = Math.max(0, this.#keptAt + every.ends - performance.now());
    this.#keeping = setTimeout(() => {
      this.#keeping = undefined;
      void this.#keepStates();
    }, wait).unref();
  }

  /** One after the other: of two at once the older state might be written last. Never rejects. */
  #keepStates(): Promise<void> {
    this.#kept = this.#kept.then(() => this.#keepNow());
    return this.#kept;
  }

  async #keepNow(): Promise<void> {
    this.#keptAt = performance.now();
    for (const runner of this.#runners.values()) {
      const state = runner.news();
      if (state === undefined) continue;
      await this.#keep(runner.loaded, state).catch((error: unknown) => {
        runner.notKept();
        this.#parts.log.warn(
          { rule: runner.loaded.name, err: error },
          'what is known of a rule could not be kept; tried again',
        );
      });
    }
  }

  async #keep({ name, uid }: Pick<RuleRow, 'name' | 'uid'>, state: object): Promise<void> {
    await this.#metadata.putRuleState({ kind: 'replication', name, uid, state: JSON.stringify(state) });
  }
}

/** A rule that was PUT again as it is goes on. */
function isSame(one: LoadedRule, other: RuleRow): boolean {
  return one.generation === other.generation && one.uid === other.uid && one.document === other.document;
}
