/** Plans a repository of a million images in a process of its own, and says on stdout what that took. */

import { planTable } from '../../../src/domain/retention/plan.ts';
import { readRules } from '../../../src/domain/retention/read-rules.ts';
import { ImageTable } from '../../../src/domain/retention/table.ts';
import { useLittleMemory } from '../../../src/platform/settle.ts';
import { expiringHash } from '../../../src/registry/retention/plan-hash.ts';

useLittleMemory();
const count = Number(process.argv[2]);
const kind = process.argv[3];
const now = Date.parse('2026-11-22T00:00:00Z');
const minute = 60_000;

/** Scattered, as digests are. */
const digest = (n: number) =>
  `sha256:${(Math.imul(n + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(7)}${n.toString(16).padStart(8, '0')}`;

function* rows() {
  for (let n = 0; n < count; n++) {
    const isIndex = kind === 'families' && n % 4 === 0;
    const isChild = kind === 'families' && !isIndex;
    yield {
      digest: digest(n),
      tags: isChild || n % 5 === 1 ? [] : n % 3 === 0 ? [`main-${n}`, `v1.${n}`] : [`main-${n}`],
      pushedAt: kind === 'ties' ? 0 : now - ((n * 7919) % count) * minute,
      size: 1000,
      ...(n % 2 === 0 && { pulledAt: now - n * 1000 }),
      ...(isIndex && { children: [digest(n + 1), digest(n + 2), digest(n + 3)] }),
    };
  }
}

const selection = (tagPatternList: string[] | undefined, countNumber: number) => ({
  ...(tagPatternList === undefined ? { tagStatus: 'any' } : { tagStatus: 'tagged', tagPatternList }),
  countType: 'imageCountMoreThan',
  countNumber,
});
const days = { countType: 'sinceImagePushed', countUnit: 'days', countNumber: 14 };
const rules = readRules(
  [
    selection(['v1*'], 1000),
    selection(['*7', 'main*'], 1000),
    { tagStatus: 'untagged', ...days },
    selection(undefined, 99),
  ].map((selected, index) => ({ rulePriority: index + 1, selection: selected, action: { type: 'expire' } })),
);

/** Rows are made one by one, as they come from a database. */
const processorSeconds = () => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6;
const [start, processorStart] = [performance.now(), processorSeconds()];
let made = 0;
for (const { tags } of rows()) made += tags.length;
const [rowSeconds, rowProcessor] = [(performance.now() - start) / 1000, processorSeconds() - processorStart];
const table = new ImageTable({
  use: { usedBy: ({ digest: known }) => (known.endsWith('777') ? 'Pod x/y' : undefined) },
});
for (const row of rows()) table.add(row);
const plan = planTable(table, { policy: { rules, protect: { tags: ['*-99'], pulledWithin: 60 * minute } }, now });
const hash = expiringHash(table, plan);
const seconds = (performance.now() - start) / 1000 - 2 * rowSeconds;
const processor = processorSeconds() - processorStart - 2 * rowProcessor;
const megabytes = process.resourceUsage().maxRSS / 1000;
process.stdout.write(JSON.stringify({ seconds, processor, megabytes, expiring: plan.expiring, tags: made, hash }));
