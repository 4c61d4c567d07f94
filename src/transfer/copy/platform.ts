import type { Descriptor } from '../../domain/oci/manifest.ts';
import { TransferError } from '../errors.ts';
import type { ImageSource, ManifestBytes } from '../image/image.ts';

/** `os/architecture[/variant]`, as `linux/arm64/v8`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** Reads `os/architecture[/variant]`. @throws TransferError `Invalid` */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...rest] = text.toLowerCase().split('/');
  if (!os || !architecture || variant === '' || rest.length > 0) {
    throw new TransferError(
      'Invalid',
      `invalid platform ${JSON.stringify(text)}: write os/architecture, for example linux/amd64 or linux/arm64/v8`,
    );
  }
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** `linux/arm64/v8`. */
export function formatPlatform(platform: Readonly<Record<string, unknown>> | undefined): string | undefined {
  if (typeof platform?.os !== 'string' || typeof platform.architecture !== 'string') return undefined;
  const variant = typeof platform.variant === 'string' && platform.variant !== '' ? `/${platform.variant}` : '';
  return `${platform.os}/${platform.architecture}${variant}`;
}

/** Whether an index entry is for a platform. arm64 is v8 where nothing else is said. */
export function matchesPlatform(entry: Descriptor, wanted: Platform): boolean {
  const { os, architecture, variant } = entry.platform ?? {};
  if (os !== wanted.os || architecture !== wanted.architecture) return false;
  if (wanted.variant === undefined) return true;
  return (variant || (architecture === 'arm64' ? 'v8' : undefined)) === wanted.variant;
}

/** The one image for a platform: the manifest itself where it is no index. @throws TransferError `NotFound` naming what there is */
export async function imageFor(
  source: ImageSource,
  root: ManifestBytes,
  platform: Platform,
  signal: AbortSignal,
): Promise<ManifestBytes> {
  let manifest = root;
  for (let depth = 0; manifest.content.kind === 'index'; depth++) {
    const { children } = manifest.content;
    const entry =
      children.find((child) => matchesPlatform(child, platform)) ?? (children.length === 1 ? children[0] : undefined);
    if (entry === undefined || depth > 4) {
      const there = children
        .map((child) => formatPlatform(child.platform))
        .filter((text) => text !== undefined && text !== 'unknown/unknown');
      const what = formatPlatform({ ...platform });
      throw new TransferError(
        'NotFound',
        `${source.name}: no image for ${what} in ${root.digest}; there is ${there.join(', ') || 'none with a platform'}`,
      );
    }
    manifest = await source.manifest(entry.digest, signal);
  }
  return manifest;
}
