import type { Relation } from './relation.ts';
import type { ImageTable } from './table.ts';

/** Who belongs to whom in a repository, by the positions of its images. */
export interface Family {
  readonly children: Relation;
  readonly parents: Relation;
  readonly subjects: Relation;
  readonly referrers: Relation;
  /** An untagged child or referrer goes with what it belongs to, and is no candidate of any rule. */
  isDependent(image: number): boolean;
}

export function familyOf(table: ImageTable): Family {
  const relations = table.relations();
  const { parents, subjects } = relations;
  const isDependent = (image: number) => (parents.has(image) || subjects.has(image)) && !table.tags.has(image);
  return { ...relations, isDependent };
}
