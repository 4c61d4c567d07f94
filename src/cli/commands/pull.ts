import { stat } from 'node:fs/promises';
import { arch } from 'node:os';
import { resolve } from 'node:path';
import { formatReference, manifestNameOf, parseReference, type Reference } from '../../domain/oci/reference.ts';
import { folderSink, tarSink } from '../../transfer/archive/file-sink.ts';
import { type CopyResult, copyImage } from '../../transfer/copy/copy-image.ts';
import { imageFor, type Platform, parsePlatform } from '../../transfer/copy/platform.ts';
import { LayoutTarget } from '../../transfer/image/layout-target.ts';
import { RegistryImage } from '../../transfer/image/registry-image.ts';
import type { Context } from '../context.ts';
import { CliFailure } from '../failure.ts';
import { copySummary } from './summary.ts';

export interface PullOptions {
  readonly out?: string;
  readonly format: 'oci' | 'docker-archive';
  readonly platform?: string;
  readonly referrers?: boolean;
  readonly force?: boolean;
}

/** Pulls an image into an OCI layout (a folder or a .tar) or a docker-archive. The file appears when it is complete. */
export async function pull(context: Context, imageText: string, options: PullOptions): Promise<void> {
  const reference = parseReference(imageText);
  const path = options.out ?? defaultPath(reference);
  const archive = options.format === 'docker-archive' || path.endsWith('.tar');
  if (archive) await refuseExisting(path, options.force === true);
  const result = await pullTo(context, reference, { ...options, path, archive });
  const name = formatReference(reference);
  context.print(
    { reference: name, path, format: options.format, ...result },
    () => `${copySummary(name, result)}\nwritten to ${path}`,
  );
}

async function pullTo(
  context: Context,
  reference: Reference,
  options: PullOptions & { path: string; archive: boolean },
): Promise<CopyResult> {
  const { signal } = context;
  const source = new RegistryImage(context.registry(reference.host), reference.repository);
  const root = await source.manifest(manifestNameOf(reference), signal);
  const platform = wantedPlatform(options);
  const image = platform === undefined ? root : await imageFor(source, root, platform, signal);
  const tag = reference.tag ?? (reference.digest === undefined ? 'latest' : image.digest.replace(':', '-'));

  const sink = options.archive ? await tarSink(resolve(options.path)) : folderSink(resolve(options.path));
  const target = new LayoutTarget(sink, {
    reference: formatReference({ host: reference.host, repository: reference.repository, tag }),
    dockerArchive: options.format === 'docker-archive',
  });
  const progress = context.progress();
  try {
    const result = await copyImage({
      source,
      target,
      image,
      tag,
      referrers: options.referrers === true,
      onEvent: progress.onEvent,
      signal,
    });
    await target.finish('complete');
    return result;
  } catch (error) {
    await target.finish('failed');
    throw error;
  } finally {
    progress.stop();
  }
}

/** A docker-archive holds one image: this machine's, where nothing is said. */
function wantedPlatform({ platform, format }: PullOptions): Platform | undefined {
  if (platform !== undefined) return parsePlatform(platform);
  if (format === 'oci') return undefined;
  return { os: 'linux', architecture: arch() === 'x64' ? 'amd64' : arch() };
}

function defaultPath({ repository, tag, digest }: Reference): string {
  const name = repository.slice(repository.lastIndexOf('/') + 1);
  return `${name}-${tag ?? digest?.slice(7, 19) ?? 'latest'}.tar`;
}

async function refuseExisting(path: string, force: boolean): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) throw new CliFailure(`${path}: is a folder; name a file with --out`);
  if (found !== undefined && !force)
    throw new CliFailure(`${path}: is there already; choose another with --out, or replace it with --force`);
}
