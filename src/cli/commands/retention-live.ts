import { isJsonObject } from '../../domain/json.ts';
import { isHost, isRepositoryName, parseReference, type Reference } from '../../domain/oci/reference.ts';
import { askAdmin, streamAdmin } from '../admin-api.ts';
import type { Context } from '../context.ts';
import { CliFailure, UsageFailure } from '../failure.ts';
import { policySpec } from '../retention/policy-spec.ts';
import { formatBytes, shortDigest, table } from '../text.ts';

/** `ne-cli retention explain`: why an image stays or goes. */
export async function explainImage(context: Context, text: string): Promise<void> {
  const { host, repository, reference } = imageOf(text);
  const query = new URLSearchParams({ repository, reference });
  const what = `explain ${repository}`;
  const answer = await askAdmin(context, host, { path: `/retention/explain?${query}`, what });
  const told = isJsonObject(answer) ? answer : {};
  context.print(told, () => {
    const policy = told.policy === null ? 'no policy' : `policy ${told.policy}`;
    const rule = told.appliedRulePriority === null ? '' : `, rule ${told.appliedRulePriority}`;
    const mode = told.suspended === true ? ', suspended' : told.mode === 'Enforce' ? '' : `, mode ${told.mode}`;
    return [
      `${told.action} ${host}/${repository}@${told.digest} ${listOf(told.tags).join(',') || '-'}`,
      `${policy}${told.policy === null ? '' : mode}${rule}: ${told.reason}`,
      ...(typeof told.usedBy === 'string' ? [`used by ${told.usedBy}`] : []),
    ].join('\n');
  });
}

export interface PreviewOptions {
  readonly policy: string;
}

/** `ne-cli retention preview`: what a policy would do with the images of a registry, if it were the only one. Changes nothing. */
export async function previewPolicy(context: Context, text: string, { policy }: PreviewOptions): Promise<void> {
  const { host, repository } = placeOf(text);
  const spec = await policySpec(policy);
  // A lifecycle policy of ECR belongs to a repository, and names none.
  const asked = {
    repositories: { include: ['**'] },
    ...spec,
    ...(repository && { repositories: { include: [repository] } }),
  };
  const question = {
    method: 'POST',
    path: '/retention/preview',
    body: { spec: asked },
    what: 'preview the policy',
  } as const;
  let [expiring, images, repositories] = [0, 0, 0];
  for await (const line of streamAdmin(context, host, question)) {
    const plan = readPlan(line);
    repositories += 1;
    images += plan.images.length;
    expiring += plan.expiring;
    // A line for each repository as it comes: a registry may have more than fits in memory.
    context.printLine(line, () => plan.images.map((image) => describe(plan.repository, image)).join('\n'));
  }
  if (repositories === 0) context.say('no repository is selected');
  else context.say(`${expiring} of ${images} images in ${repositories} repositories would expire; nothing was changed`);
}

export interface TrashOptions {
  readonly limit?: number;
}

/** `ne-cli retention trash`: what expired and can still be restored, the oldest first. */
export async function listTrash(context: Context, text: string, { limit }: TrashOptions): Promise<void> {
  const { host, repository } = placeOf(text);
  const rows: Record<string, unknown>[] = [];
  let last: string | undefined;
  do {
    const left = Math.min(1000, (limit ?? Number.POSITIVE_INFINITY) - rows.length);
    const query = new URLSearchParams({
      n: String(left),
      ...(repository !== undefined && { repository }),
      ...(last !== undefined && { last }),
    });
    const answer = await askAdmin(context, host, { path: `/retention/trash?${query}`, what: 'list the trash' });
    const page = isJsonObject(answer) ? answer : {};
    rows.push(...listOf(page.images).filter(isJsonObject));
    last = typeof page.last === 'string' ? page.last : undefined;
  } while (last !== undefined && (limit === undefined || rows.length < limit));
  context.print({ images: rows }, () => {
    if (rows.length === 0) return 'the trash is empty';
    const lines = rows.map((row) => [
      `${row.repository}@${shortDigest(String(row.digest))}`,
      listOf(row.tags).join(',') || '-',
      formatBytes(Number(row.sizeBytes)),
      String(row.until),
      String(row.policy),
    ]);
    return table([['IMAGE', 'TAGS', 'SIZE', 'RESTORABLE UNTIL', 'EXPIRED BY'], ...lines]);
  });
}

/** `ne-cli retention restore`: takes images out of the trash, with their tags where nobody has set those meanwhile. */
export async function restoreImages(context: Context, texts: readonly string[]): Promise<void> {
  const images = texts.map(imageOf);
  const [first] = images;
  if (first === undefined) throw new UsageFailure('name an image, host[:port]/repository:tag or @digest');
  const { host, repository } = first;
  if (images.some((image) => image.host !== host || image.repository !== repository))
    throw new UsageFailure('the images must be of one repository');
  const references = images.map(({ reference }) => reference);
  const question = {
    method: 'POST',
    path: '/retention/restore',
    body: { repository, references },
    what: `restore images of ${repository}`,
  } as const;
  const answer = await askAdmin(context, host, question);
  const told = isJsonObject(answer) ? answer : {};
  context.print(told, () =>
    listOf(told.restored)
      .filter(isJsonObject)
      .map(({ digest, tags, tagsTaken }) => {
        const taken = listOf(tagsTaken);
        const kept = taken.length === 0 ? '' : `; ${taken.join(', ')} points elsewhere now and stays so`;
        return `restored ${host}/${repository}@${digest} ${listOf(tags).join(',') || '-'}${kept}`;
      })
      .join('\n'),
  );
  const unknown = listOf(told.unknown);
  if (unknown.length > 0)
    throw new CliFailure(`${host}: the trash of ${repository} does not hold ${unknown.join(', ')}`);
}

interface PlannedImage {
  readonly digest: string;
  readonly tags: readonly unknown[];
  readonly action: string;
  readonly reason: string;
}

function readPlan(line: unknown): { repository: string; images: PlannedImage[]; expiring: number } {
  const plan = isJsonObject(line) ? line : {};
  const summary = isJsonObject(plan.summary) ? plan.summary : {};
  const images = listOf(plan.images).filter(isJsonObject);
  return {
    repository: String(plan.repository),
    images: images.map(({ imageDigest, imageTags, action, reason }) => ({
      digest: String(imageDigest),
      tags: listOf(imageTags),
      action: String(action),
      reason: String(reason),
    })),
    expiring: Number(summary.expiringImageTotalCount ?? 0),
  };
}

function describe(repository: string, { action, digest, tags, reason }: PlannedImage): string {
  return `${action} ${repository}@${digest} ${tags.join(',') || '-'} ${reason}`;
}

function imageOf(text: string): Pick<Reference, 'host' | 'repository'> & { reference: string } {
  const { host, repository, tag, digest } = parseReference(text);
  const reference = digest ?? tag;
  if (reference === undefined) throw new UsageFailure(`${text}: name an image, host[:port]/repository:tag or @digest`);
  return { host, repository, reference };
}

/** `host[:port]`, or with a repository behind it. */
function placeOf(text: string): { host: string; repository: string | undefined } {
  const slash = text.indexOf('/');
  const host = slash < 0 ? text : text.slice(0, slash);
  const repository = slash < 0 ? undefined : text.slice(slash + 1);
  if (!isHost(host)) throw new UsageFailure(`${text}: must be host[:port], or host[:port]/repository`);
  if (repository !== undefined && !isRepositoryName(repository))
    throw new UsageFailure(
      `${text}: ${JSON.stringify(repository)} is no name of a repository; leave out tag and digest`,
    );
  return { host, repository };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
