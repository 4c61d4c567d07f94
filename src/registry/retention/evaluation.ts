import type { RetentionPolicyStatusPlanImage } from '../../api/v1alpha1/retention-policy.gen.ts';
import type { Digest } from '../../domain/oci/digest.ts';
import { oldestFirst } from '../../domain/retention/age.ts';
import type { Image } from '../../domain/retention/image.ts';
import type { InUse } from '../../domain/retention/in-use.ts';
import { type Decision, type Plan, planTable } from '../../domain/retention/plan.ts';
import type { Policy } from '../../domain/retention/policy.ts';
import { ImageTable } from '../../domain/retention/table.ts';
import type { ImageRow } from '../metadata/retaining.ts';
import { Families } from './families.ts';
import { expiringHash } from './plan-hash.ts';

const hour = 3_600_000;
/** Images that are told of in a status. */
export const MOST_SHOWN = 100;

/** An image that is to go, as it was when that was decided. */
export interface Doomed {
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly pulledHour?: number;
  readonly pushedAt: number;
  /** Bytes, what it shares with others included. */
  readonly size: number;
  readonly rulePriority: number | null;
  readonly reason: string;
}

/** What a policy would do in one repository. */
export interface RepositoryPlan {
  readonly expiring: number;
  readonly keeping: number;
  readonly blockedInUse: number;
  readonly expiringBytes: number;
  /** Of the set of digests that expire; empty where none does. */
  readonly hash: string;
  /** The oldest of those that expire. */
  readonly first: readonly RetentionPolicyStatusPlanImage[];
}

/** A frozen image: what was approved. */
export interface Approved {
  readonly digest: string;
  readonly tags: readonly string[];
}

/** One repository under one policy. Columns, not objects: a million images have to fit. */
export class Evaluation {
  readonly repository: string;
  readonly #table: ImageTable;
  readonly #plan: Plan;
  /** Positions of those that are to go, oldest first. */
  #going: Uint32Array;
  /** Once anything was approved: 1 for what was. */
  #approved: Uint8Array | undefined;

  static async of(
    rows: AsyncIterable<readonly ImageRow[]>,
    { repository, policy, now, inUse }: { repository: string; policy: Policy; now: number; inUse: InUse },
  ): Promise<Evaluation> {
    const table = new ImageTable({ use: inUse.in(repository) });
    for await (const batch of rows) for (const row of batch) table.add(imageOf(row));
    return new Evaluation(repository, table, planTable(table, { policy, now }));
  }

  private constructor(repository: string, table: ImageTable, plan: Plan) {
    this.repository = repository;
    this.#table = table;
    this.#plan = plan;
    this.#going = oldestFirst(table, (image) => !plan.expires(image));
  }

  get length(): number {
    return this.#table.length;
  }

  get expiring(): number {
    return this.#plan.expiring;
  }

  digest(image: number): string {
    return this.#table.digest(image);
  }

  tags(image: number): string[] {
    return this.#table.tags.of(image);
  }

  decision(image: number): Decision {
    return this.#plan.decision(image);
  }

  /** Undefined where there is no such image in the repository. */
  explain(digest: string): ({ tags: string[]; usedBy?: string } & Decision) | undefined {
    const image = this.#table.positionOf(digest);
    if (image === undefined) return undefined;
    const usedBy = this.#table.used.get(image);
    return { tags: this.tags(image), ...this.decision(image), ...(usedBy !== undefined && { usedBy }) };
  }

  summary(): RepositoryPlan {
    const { expiring, blockedInUse, expiringBytes } = this.#plan;
    const first = Array.from(this.#going.subarray(0, MOST_SHOWN), (image) => this.#doom(image));
    return {
      expiring,
      keeping: this.#table.length - expiring,
      blockedInUse,
      expiringBytes,
      hash: expiringHash(this.#table, this.#plan),
      first: first.map((image) => plannedImage(this.repository, { ...image, tags: image.tags.slice(0, 10) })),
    };
  }

  /** Of what expires, only what is approved, and is as it was then, is to go. */
  approve(images: readonly Approved[]): void {
    this.#approved ??= new Uint8Array(this.#table.length);
    for (const { digest, tags } of images) {
      const image = this.#table.positionOf(digest);
      if (image === undefined) continue;
      const known = new Set(this.tags(image));
      if (known.size === tags.length && tags.every((tag) => known.has(tag))) this.#approved[image] = 1;
    }
  }

  /** Nothing was approved, and nothing is to go. */
  requireApproval(): void {
    this.#approved ??= new Uint8Array(this.#table.length);
  }

  /** Of a batch, without the families of those that stay. */
  unrelated(batch: readonly Doomed[], staying: ReadonlySet<string>): Doomed[] {
    const positions = Uint32Array.from(batch, ({ digest }) => this.#table.positionOf(digest) ?? 0);
    const families = new Families(this.#table, positions);
    const left = new Set(families.without((image) => staying.has(this.#table.digest(image))));
    return batch.filter((_, index) => left.has(positions[index] ?? -1));
  }

  /** What is to go, in batches, in the order in which it may. */
  *batches(limit: number): Generator<Doomed[]> {
    let families = new Families(this.#table, this.#going);
    const approved = this.#approved;
    if (approved !== undefined) {
      this.#going = families.without((image) => approved[image] !== 1);
      families = new Families(this.#table, this.#going);
    }
    for (const batch of families.batches(limit)) yield batch.map((image) => this.#doom(image));
  }

  #doom(image: number): Doomed {
    const { rulePriority, reason } = this.#plan.decision(image);
    const pulledAt = this.#table.pulledAt(image);
    return {
      digest: this.#table.digest(image) as Digest,
      tags: this.tags(image),
      pushedAt: this.#table.pushedAt(image),
      size: this.#table.size(image),
      rulePriority,
      reason,
      ...(pulledAt !== undefined && { pulledHour: Math.floor(pulledAt / hour) }),
    };
  }
}

/** As a line of a whole plan has it; the status (`status.plan.images[]`) has only the first ten tags. */
export function plannedImage(repository: string, image: Doomed): RetentionPolicyStatusPlanImage {
  const { digest, tags, rulePriority, reason, pushedAt, size } = image;
  return {
    repository,
    digest,
    ...(tags.length > 0 && { tags: [...tags] }),
    ...(rulePriority !== null && { rulePriority }),
    reason: reason.slice(0, 1024),
    pushedAt: new Date(pushedAt).toISOString(),
    sizeBytes: size,
  };
}

/** An image as the plan sees it. The hour of a pull counts as if it had come at its end: rounding never expires anything. */
export function imageOf({
  digest,
  tags,
  pushedAt,
  pulledHour,
  contentSize,
  children,
  subject,
  config,
}: ImageRow): Image {
  return {
    digest,
    tags,
    pushedAt,
    size: contentSize,
    ...(pulledHour !== undefined && { pulledAt: (pulledHour + 1) * hour - 1 }),
    ...(children && { children }),
    ...(subject !== undefined && { subject }),
    ...(config !== undefined && { config }),
  };
}
