import { formatReference, parseReference } from '../../domain/oci/reference.ts';
import { type CopyResult, copyImage } from '../../transfer/copy/copy-image.ts';
import { imageFor, parsePlatform } from '../../transfer/copy/platform.ts';
import { openImage } from '../../transfer/image/open-image.ts';
import { RegistryImage } from '../../transfer/image/registry-image.ts';
import type { Context } from '../context.ts';
import { UsageFailure } from '../failure.ts';
import { exportFromEngine } from '../local-engine.ts';
import { copySummary } from './summary.ts';

export interface PushOptions {
  readonly from?: string;
  readonly namespace?: string;
  readonly image?: string;
  readonly platform?: string;
  readonly referrers: boolean;
}

/** Pushes an image from a file, a folder, or a local container engine. The tag is set last. */
export async function push(
  context: Context,
  imageText: string,
  path: string | undefined,
  options: PushOptions,
): Promise<void> {
  const target = parseReference(imageText);
  if (target.digest !== undefined)
    throw new UsageFailure('push to a tag, not to a digest: the digest follows from the content');
  const tag = target.tag ?? 'latest';
  if (path !== undefined && options.from !== undefined)
    throw new UsageFailure('--from names a local engine; leave it out when pushing a file or folder');

  const reference = formatReference({ ...target, tag });
  const exported =
    path === undefined ? await exportFromEngine(context, options.image ?? reference, options) : undefined;
  try {
    const file = path ?? (exported?.file as string);
    const result = await pushFile(context, { ...target, tag }, file, options);
    context.print({ reference, ...result }, () => copySummary(reference, result));
  } finally {
    await exported?.remove();
  }
}

interface PushTarget {
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
}

async function pushFile(
  context: Context,
  { host, repository, tag }: PushTarget,
  file: string,
  options: PushOptions,
): Promise<CopyResult> {
  const { signal } = context;
  const opened = await openImage(file, options.image ?? tag, signal);
  const progress = context.progress();
  try {
    const { source } = opened;
    const root = await source.manifest(opened.digest, signal);
    const image =
      options.platform === undefined ? root : await imageFor(source, root, parsePlatform(options.platform), signal);
    const target = new RegistryImage(context.registry(host), repository);
    return await copyImage({
      source,
      target,
      image,
      tag,
      referrers: options.referrers,
      onEvent: progress.onEvent,
      signal,
    });
  } finally {
    progress.stop();
    await opened.source.close();
  }
}
