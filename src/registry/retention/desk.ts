import type { Readable } from 'node:stream';
import type { Digest } from '../../domain/oci/digest.ts';
import { isDigest } from '../../domain/oci/digest.ts';
import { type Selection, selectionOf } from '../../domain/retention/selection.ts';
import { Turns } from '../../platform/turns.ts';
import type { RestoredImage, TrashPosition, TrashRow } from '../metadata/retaining.ts';
import type { Actor, Reference } from '../metadata/store.ts';
import { Evaluator } from './evaluator.ts';
import type { RetentionParts } from './parts.ts';
import { planText } from './plan-record.ts';
import { governing, isRunnable, policyRule } from './policy-rule.ts';
import { repositoriesIn } from './repositories.ts';
import { readSpec } from './spec.ts';
import { stateOf } from './state.ts';

/** Why an image stays or goes. */
export interface Explanation {
  readonly repository: string;
  readonly digest: string;
  readonly tags: readonly string[];
  /** The policy that governs the repository; null where none does. */
  readonly policy: string | null;
  /** Policies that are equally specific, so that none of them acts. */
  readonly conflict?: readonly string[];
  readonly mode?: string;
  readonly suspended?: boolean;
  readonly action: 'EXPIRE' | 'KEEP';
  readonly appliedRulePriority: number | null;
  readonly reason: string;
  /** A rule would expire it, but it is in use. */
  readonly blockedInUse: boolean;
  /** Who uses it. */
  readonly usedBy?: string;
}

/** Answers what people ask about retention. Plans are made on a thread, for one of them after the other. */
export class RetentionDesk {
  readonly #parts: RetentionParts;
  readonly #turns = new Turns();

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** The whole last plan of a policy, NDJSON; empty where nothing expires. Undefined where there is no such policy. */
  async plan(name: string): Promise<Readable | 'empty' | undefined> {
    const row = await this.#parts.metadata.rule('retention', name);
    if (row === undefined) return undefined;
    const { record } = stateOf(row).own;
    return (record === undefined ? undefined : await planText(await this.#parts.records(), record)) ?? 'empty';
  }

  /**
   * What a policy would do as the only one, for each repository that it selects: lines of JSON, in pieces.
   * @throws InvalidPolicy
   */
  preview(value: unknown, write: (text: string) => Promise<void>): Promise<void> {
    const { metadata, now } = this.#parts;
    const spec = readSpec(value, now());
    const selects = selectionOf([{ name: 'preview', ...spec.repositories }]);
    return this.#ask(async (evaluator) => {
      for await (const repository of repositoriesIn(metadata, spec.repositories)) {
        if (selects(repository) === undefined) continue;
        await evaluator.ask({ ask: 'preview', repository, policy: spec.policy, now: now() });
        for (let text = await evaluator.ask({ ask: 'text' }); text !== ''; text = await evaluator.ask({ ask: 'text' }))
          await write(text);
      }
    });
  }

  /** Undefined where the image is not there. */
  async explain(repository: string, reference: string): Promise<Explanation | undefined> {
    const { metadata, now } = this.#parts;
    const wanted: Reference = isDigest(reference) ? { digest: reference } : { tag: reference };
    const manifest = await metadata.manifest(repository, wanted);
    if (manifest === undefined) return undefined;
    const { digest } = manifest;
    const rules = (await metadata.rules('retention')).map((row) => policyRule(row, now()));
    const selection = governing(rules)(repository);
    const name = selection !== undefined && 'policy' in selection ? selection.policy : undefined;
    const rule = rules.filter(isRunnable).find(({ row }) => row.name === name);
    const policy = rule?.spec.policy ?? { rules: [] };
    const found = await this.#ask((evaluator) =>
      evaluator.ask({ ask: 'explain', repository, digest, policy, now: now() }),
    );
    if (found === null) return undefined;
    const { rulePriority, reason, ...rest } = found;
    return {
      repository,
      digest,
      policy: name ?? null,
      ...(rule && { mode: rule.spec.mode, suspended: rule.spec.suspend }),
      ...rest,
      appliedRulePriority: rulePriority,
      ...ungoverned(selection, reason),
    };
  }

  async trash(page: { repository?: string; last?: TrashPosition; limit: number }): Promise<TrashRow[]> {
    return this.#parts.metadata.trash(page);
  }

  /**
   * Puts images back that expired, by digest or by a tag that they had.
   * @returns what came back, and the references that the trash does not hold
   */
  async restore(
    repository: string,
    references: readonly string[],
    by: Actor,
  ): Promise<{ restored: RestoredImage[]; unknown: string[] }> {
    const { metadata, log } = this.#parts;
    const found = await this.#trashed(repository, references);
    const digests = [...new Set(found.values())];
    const restored = digests.length === 0 ? [] : await metadata.restore({ repository, digests, by });
    for (const image of restored) log.info({ repository, by: by.name, ...image }, 'image restored');
    return { restored, unknown: references.filter((reference) => !found.has(reference)) };
  }

  /** What each reference that the trash knows stands for: a tag for what it pointed at last. */
  async #trashed(repository: string, references: readonly string[]): Promise<Map<string, Digest>> {
    const wanted = new Set(references);
    const digests = references.filter(isDigest);
    const tags = references.filter((reference) => !isDigest(reference)).map((tag) => ({ repository, tag }));
    const found = new Map<string, Digest>();
    for (const row of await this.#parts.metadata.inTrash({ digests, tags })) {
      if (row.repository !== repository) continue;
      for (const name of [row.digest, ...row.tags]) if (wanted.has(name)) found.set(name, row.digest);
    }
    return found;
  }

  #ask<T>(work: (evaluator: Evaluator) => Promise<T>): Promise<T> {
    const { places, flushPulls, inUse, now } = this.#parts;
    return this.#turns.run(async () => {
      await flushPulls();
      const evaluator = await Evaluator.start(places);
      try {
        await evaluator.ask({ ask: 'load', inUse: { ...inUse(), now: now() } });
        return await work(evaluator);
      } finally {
        await evaluator.stop();
      }
    });
  }
}

function ungoverned(
  selection: Selection | undefined,
  reason: string,
): { reason: string; conflict?: readonly string[] } {
  if (selection === undefined) return { reason: 'no policy selects its repository' };
  if ('policy' in selection) return { reason };
  const { conflict } = selection;
  return { conflict, reason: `the policies ${conflict.join(', ')} are equally specific, and none of them acts` };
}
