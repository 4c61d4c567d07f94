import type { Descriptor } from '../../domain/oci/manifest.ts';
import { mediaTypes } from '../../domain/oci/media-types.ts';
import { formatReference, manifestNameOf, parseReference } from '../../domain/oci/reference.ts';
import { formatPlatform, imageFor, parsePlatform } from '../../transfer/copy/platform.ts';
import { DigestCheck } from '../../transfer/digest-check.ts';
import type { ImageSource, ManifestBytes } from '../../transfer/image/image.ts';
import { RegistryImage } from '../../transfer/image/registry-image.ts';
import type { Context } from '../context.ts';
import { formatBytes, table } from '../text.ts';

export interface InspectOptions {
  readonly platform?: string;
  /** Print the manifest's exact bytes and nothing else. */
  readonly raw?: boolean;
}

const imageConfigs: readonly string[] = [mediaTypes.ociConfig, mediaTypes.dockerConfig];
/** A config larger than this is shown by its size alone. */
const maxConfigBytes = 4 * 1_048_576;

/** Shows what a tag or digest stands for: manifest, config, sizes, referrers. */
export async function inspect(context: Context, text: string, options: InspectOptions): Promise<void> {
  const reference = parseReference(text);
  const { signal } = context;
  const source = new RegistryImage(context.registry(reference.host), reference.repository);
  const root = await source.manifest(manifestNameOf(reference), signal);
  const manifest =
    options.platform === undefined ? root : await imageFor(source, root, parsePlatform(options.platform), signal);
  if (options.raw === true) {
    context.surroundings.stdout.write(manifest.bytes);
    return;
  }
  const config = await configOf(source, manifest, signal);
  const referrers = await source.referrers(manifest.digest, signal);
  const name = formatReference(reference);
  const value = {
    reference: name,
    digest: manifest.digest,
    mediaType: manifest.mediaType,
    size: manifest.bytes.length,
    contentSize: contentSize(manifest),
    manifest: JSON.parse(manifest.bytes.toString('utf8')) as unknown,
    config: config ?? null,
    referrers,
  };
  context.print(value, () => describe(name, manifest, config, referrers));
}

async function configOf(
  source: ImageSource,
  manifest: ManifestBytes,
  signal: AbortSignal,
): Promise<Record<string, unknown> | undefined> {
  const { config } = manifest.content;
  if (config === undefined || config.size > maxConfigBytes || !config.mediaType.endsWith('json')) return undefined;
  const chunks: Buffer[] = [];
  const check = new DigestCheck(config, source.name);
  for await (const chunk of check.passing(source.blob(config, 0, signal), 0)) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function contentSize({ content }: ManifestBytes): number {
  const parts =
    content.kind === 'index'
      ? content.children
      : [...(content.config === undefined ? [] : [content.config]), ...content.layers];
  return parts.reduce((sum, part) => sum + part.size, 0);
}

function describe(
  name: string,
  manifest: ManifestBytes,
  config: Record<string, unknown> | undefined,
  referrers: readonly Descriptor[],
): string {
  const { content } = manifest;
  const isArtifact = content.artifactType !== undefined && !imageConfigs.includes(content.artifactType);
  const head = [
    ['Name:', name],
    ['Digest:', manifest.digest],
    ['Type:', manifest.mediaType],
    ...(isArtifact ? [['Artifact:', content.artifactType ?? '']] : []),
    ...(config?.os === undefined ? [] : [['Platform:', formatPlatform(config) ?? '']]),
    ...(typeof config?.created === 'string' ? [['Created:', config.created]] : []),
    ...(content.kind === 'image' ? [['Size:', formatBytes(contentSize(manifest))]] : []),
  ];
  const parts = content.kind === 'index' ? section('Manifests', content.children) : section('Layers', content.layers);
  return [table(head as string[][]), parts, section('Referrers', referrers)].filter((text) => text !== '').join('\n\n');
}

function section(title: string, descriptors: readonly Descriptor[]): string {
  if (descriptors.length === 0) return '';
  const rows = descriptors.map((one) => [
    `  ${one.digest}`,
    formatBytes(one.size),
    formatPlatform(one.platform) ?? one.artifactType ?? one.mediaType,
  ]);
  return `${title}:\n${table(rows)}`;
}
