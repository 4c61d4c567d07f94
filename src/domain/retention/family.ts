import { type Image, subjectOfTag } from './image.ts';

/** Who belongs to whom in a repository, by the positions of its images. Digests that are not there are left out. */
export interface Family {
  /** Tags that the rules see: those of the referrers' tag scheme are left out. */
  readonly tags: readonly (readonly string[])[];
  readonly children: ReadonlyMap<number, readonly number[]>;
  readonly parents: ReadonlyMap<number, readonly number[]>;
  readonly subjects: ReadonlyMap<number, readonly number[]>;
  readonly referrers: ReadonlyMap<number, readonly number[]>;
  /** An untagged child or referrer goes with what it belongs to, and is no candidate of any rule. */
  isDependent(image: number): boolean;
}

/**
 * Who belongs to whom among `images`, by position.
 * @param positionOf undefined for a digest that is none of theirs; such references are passed over, and those to oneself
 */
export function familyOf(images: readonly Image[], positionOf: (digest: string) => number | undefined): Family {
  const [children, parents, subjects, referrers] = [relation(), relation(), relation(), relation()];
  const refer = (image: number, digest: string) => {
    const subject = positionOf(digest);
    if (subject === undefined || subject === image) return;
    add(subjects, image, subject);
    add(referrers, subject, image);
  };
  const tags = images.map((image, position) => {
    for (const digest of image.children ?? []) {
      const child = positionOf(digest);
      if (child === undefined || child === position) continue;
      add(children, position, child);
      add(parents, child, position);
    }
    if (image.subject !== undefined) refer(position, image.subject);
    return ownTags(image.tags, (digest) => refer(position, digest));
  });
  const isDependent = (image: number) => tags[image]?.length === 0 && (parents.has(image) || subjects.has(image));
  return { tags, children, parents, subjects, referrers, isDependent };
}

function ownTags(tags: readonly string[], onSubject: (digest: string) => void): readonly string[] {
  let others = 0;
  for (const tag of tags) {
    const digest = subjectOfTag(tag);
    if (digest === undefined) continue;
    others++;
    onSubject(digest);
  }
  return others === 0 ? tags : tags.filter((tag) => subjectOfTag(tag) === undefined);
}

const relation = () => new Map<number, number[]>();

function add(relation: Map<number, number[]>, from: number, to: number): void {
  const known = relation.get(from);
  if (known === undefined) relation.set(from, [to]);
  else if (!known.includes(to)) known.push(to);
}
