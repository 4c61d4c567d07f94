import type { Image } from '../../../src/domain/retention/image.ts';
import type { Policy, Rule } from '../../../src/domain/retention/policy.ts';

interface When {
  readonly now: number;
  readonly pins?: ReadonlySet<string>;
}

/**
 * E1 to E9 word by word, with no thought for speed: what expires, and by which priority. It shares no code with the planner.
 */
export function slowlyExpired(images: readonly Image[], policy: Policy, when: When): Map<string, number> {
  const evaluator = new SlowEvaluator(images, policy, when);
  const marked = evaluator.marked();
  const stays = evaluator.staying(marked);
  const gone = new Map([...marked].filter(([digest]) => !stays.has(digest)));
  evaluator.spread(gone, stays);
  return gone;
}

class SlowEvaluator {
  readonly #images: readonly Image[];
  readonly #policy: Policy;
  readonly #now: number;
  readonly #pins: ReadonlySet<string>;

  constructor(images: readonly Image[], policy: Policy, { now, pins = new Set() }: When) {
    this.#images = images;
    this.#policy = policy;
    this.#now = now;
    this.#pins = pins;
  }

  /** By their rules alone. */
  marked(): Map<string, number> {
    const marked = new Map<string, number>();
    const rules = this.#policy.rules.filter(({ storageClass }) => storageClass === 'standard');
    const strongestFirst = [...rules].sort((a, b) => a.priority - b.priority);
    for (const image of this.#images.filter((candidate) => this.#isCandidate(candidate))) {
      const claiming = strongestFirst.find((rule) => meets(image, rule));
      if (claiming?.action === 'expire' && this.#isPast(image, claiming)) marked.set(image.digest, claiming.priority);
    }
    return marked;
  }

  /** What stays by itself; then, until nothing changes, what stays because of what it belongs to. */
  staying(marked: ReadonlyMap<string, number>): Set<string> {
    const byItself = (image: Image) =>
      this.#pinnedBelow(image, []) ||
      this.#isProtected(image) ||
      !this.#hasCandidateAbove(image, []) ||
      (this.#isCandidate(image) && !marked.has(image.digest));
    const stays = new Set(this.#images.filter(byItself).map(({ digest }) => digest));
    for (let before = -1; before !== stays.size; ) {
      before = stays.size;
      for (const image of this.#images) {
        const keepers = this.#isCandidate(image) ? this.#parentsOf(image) : this.#belongsTo(image);
        if (keepers.some((digest) => stays.has(digest))) stays.add(image.digest);
      }
    }
    return stays;
  }

  /** What belongs to something that goes, goes with it, by the strongest of those rules. */
  spread(gone: Map<string, number>, stays: ReadonlySet<string>): void {
    const byRule = new Set(gone.keys());
    const others = this.#images.filter(({ digest }) => !stays.has(digest) && !byRule.has(digest));
    for (let changed = true; changed; ) {
      changed = false;
      for (const image of others) {
        const priorities = this.#belongsTo(image).flatMap((digest) => gone.get(digest) ?? []);
        const before = gone.get(image.digest) ?? Number.POSITIVE_INFINITY;
        const strongest = Math.min(before, ...priorities);
        if (strongest === before) continue;
        gone.set(image.digest, strongest);
        changed = true;
      }
    }
  }

  #of(digest: string): Image | undefined {
    return this.#images.find((image) => image.digest === digest);
  }

  #subjectsOf(image: Image): string[] {
    const byTag = image.tags.filter(isReferrerTag).map((tag) => (tag.split('.')[0] ?? '').replace('-', ':'));
    const all = image.subject === undefined ? byTag : [image.subject, ...byTag];
    return all.filter((digest) => digest !== image.digest && this.#of(digest) !== undefined);
  }

  #parentsOf(image: Image): string[] {
    const parents = this.#images.filter((other) => other !== image && other.children?.includes(image.digest));
    return parents.map(({ digest }) => digest);
  }

  #belongsTo(image: Image): string[] {
    return [...this.#parentsOf(image), ...this.#subjectsOf(image)];
  }

  #isCandidate(image: Image): boolean {
    return tagsOf(image).length > 0 || this.#belongsTo(image).length === 0;
  }

  /** Not so where images belong to each other in a circle. */
  #hasCandidateAbove(image: Image, below: readonly Image[]): boolean {
    if (this.#isCandidate(image)) return true;
    if (below.includes(image)) return false;
    const owners = this.#belongsTo(image).flatMap((digest) => this.#of(digest) ?? []);
    return owners.some((owner) => this.#hasCandidateAbove(owner, [...below, image]));
  }

  #isPast(image: Image, rule: Rule): boolean {
    const { type, number } = rule.count;
    if (type === 'imageCountMoreThan') return this.#newer(image).filter((other) => meets(other, rule)).length >= number;
    const since = type === 'sinceImagePulled' ? (image.pulledAt ?? image.pushedAt) : image.pushedAt;
    return this.#now - since > number * 86_400_000;
  }

  #newer(image: Image): Image[] {
    const isNewer = (other: Image) =>
      other.pushedAt > image.pushedAt || (other.pushedAt === image.pushedAt && other.digest > image.digest);
    return this.#images.filter((other) => this.#isCandidate(other) && isNewer(other));
  }

  #pinnedBelow(image: Image, above: readonly string[]): boolean {
    if (above.includes(image.digest)) return false;
    if (this.#pins.has(image.digest) || (image.config !== undefined && this.#pins.has(image.config))) return true;
    const children = (image.children ?? []).flatMap((digest) => this.#of(digest) ?? []);
    return children.some((child) => this.#pinnedBelow(child, [...above, image.digest]));
  }

  #isProtected(image: Image): boolean {
    const { tags = [], newest = 0, pulledWithin } = this.#policy.protect ?? {};
    if (this.#isCandidate(image) && this.#newer(image).length < newest) return true;
    if (tagsOf(image).some((tag) => tags.some((pattern) => regular(pattern).test(tag)))) return true;
    return pulledWithin !== undefined && image.pulledAt !== undefined && this.#now - image.pulledAt <= pulledWithin;
  }
}

const isReferrerTag = (tag: string) => /^sha(256-[a-f0-9]{64}|512-[a-f0-9]{128})\.(sig|att|sbom)$/.test(tag);
const tagsOf = (image: Image) => image.tags.filter((tag) => !isReferrerTag(tag));

function meets(image: Image, { tags }: Rule): boolean {
  if (tags.tagStatus === 'any') return true;
  if (tags.tagStatus === 'untagged') return tagsOf(image).length === 0;
  return tags.patterns.every((pattern) => tagsOf(image).some((tag) => regular(pattern).test(tag)));
}

function regular(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
}
