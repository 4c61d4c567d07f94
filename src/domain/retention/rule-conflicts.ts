import type { Rule, StorageClass } from './policy.ts';

/** What rules that are each valid may not be together: V1 (priorities), V5 and V6 of the specification. */
export function conflictsOf(rules: readonly Rule[]): string[] {
  const classes: readonly StorageClass[] = ['standard', 'archive'];
  return [
    ...repeatedPriorities(rules),
    ...classes.flatMap((storageClass) => {
      const these = rules.filter((rule) => rule.storageClass === storageClass);
      return [...weakerThanAny(these), ...repeatedUntagged(these), ...repeatedPrefixes(these)];
    }),
  ];
}

function repeatedPriorities(rules: readonly Rule[]): string[] {
  return repeated(rules.map(({ priority }) => String(priority))).map(
    (priority) => `rulePriority ${priority}: more than one rule has it; give each its own`,
  );
}

function weakerThanAny(rules: readonly Rule[]): string[] {
  const largest = Math.max(...rules.map(({ priority }) => priority));
  return rules
    .filter(({ tags, priority }) => tags.tagStatus === 'any' && priority < largest)
    .map(
      ({ priority, storageClass }) =>
        `rulePriority ${priority}: a rule with selection.tagStatus any must have the largest rulePriority of its storage class (${storageClass}), which is ${largest}`,
    );
}

function repeatedUntagged(rules: readonly Rule[]): string[] {
  const untagged = rules.filter(({ tags }) => tags.tagStatus === 'untagged');
  if (untagged.length < 2) return [];
  const priorities = untagged.map(({ priority }) => priority).join(', ');
  return [`rulePriority ${priorities}: only one rule of a storage class may have selection.tagStatus untagged`];
}

/** Overlaps are legal (`prod`, `production`); the same set twice is not. */
function repeatedPrefixes(rules: readonly Rule[]): string[] {
  const setOf = ({ tags }: Rule) =>
    tags.tagStatus === 'tagged' && tags.list === 'tagPrefixList'
      ? [...new Set(tags.patterns)].sort().join('\n')
      : undefined;
  return repeated(rules.map(setOf)).map((set) => {
    const priorities = rules.filter((rule) => setOf(rule) === set).map(({ priority }) => priority);
    return `rulePriority ${priorities.join(', ')}: these rules have the same tagPrefixList; make them one`;
  });
}

function repeated(values: readonly (string | undefined)[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const value of values) {
    if (value === undefined) continue;
    if (seen.has(value)) twice.add(value);
    seen.add(value);
  }
  return [...twice];
}
