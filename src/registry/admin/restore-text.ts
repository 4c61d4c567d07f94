import { isComplete, type Losses } from '../recovery/restore/report.ts';
import type { RestoreResult } from './restore.ts';

/** Lines of a list that are shown to people; --output json has them all. */
const shown = 20;

/** What was restored, and everything that was not, for people. */
export function describeRestore(result: RestoreResult): string {
  const { base, journalObjects, restored, keptAside } = result;
  const from = base === undefined ? 'the journal alone' : `${base.name} (as of ${base.takenAt})`;
  const { repositories, manifests, tags, blobs } = restored;
  const lines = [
    `restored from ${from}${journalObjects > 0 ? ` and ${journalObjects} objects of the journal` : ''}:`,
    `${repositories} repositories, ${manifests} manifests, ${tags} tags, ${blobs} blobs`,
    ...(keptAside === undefined ? [] : [`the database that was there is kept as ${keptAside}`]),
    ...lossLines(result.lost),
    isComplete(result)
      ? 'nothing is missing'
      : 'the rest is back; start the registry, and push again what is named above',
  ];
  return `${lines.join('\n')}\n`;
}

function lossLines(lost: Losses): string[] {
  return [
    ...listed(lost.files, ({ problem }) => `not used: ${problem}`),
    ...listed(lost.changes, ({ first, last }) => `lost: changes ${first} to ${last}, which no file tells of`),
    ...listed(lost.manifests, ({ repository, digest }) => `lost: manifest ${repository}@${digest}`),
    ...listed(
      lost.tags,
      ({ repository, tag, digest }) => `lost: tag ${repository}:${tag}, whose manifest ${digest} is missing`,
    ),
    ...listed(lost.blobs, (digest) => `lost: blob ${digest}, whose bytes are not in the store`),
    ...listed(
      lost.incomplete,
      ({ repository, digest, missing }) => `incomplete: ${repository}@${digest} needs ${missing.join(', ')}`,
    ),
    ...listed(
      lost.hidden,
      ({ repository, digest }) => `hidden: blob ${digest} is there, but nothing tells that ${repository} may show it`,
    ),
  ];
}

function listed<T>(items: readonly T[], line: (item: T) => string): string[] {
  const lines = items.slice(0, shown).map(line);
  return items.length > shown ? [...lines, `… and ${items.length - shown} more (--output json names them)`] : lines;
}
