import { InvalidJson, isJsonObject, parseStrictJson } from '../json.ts';
import { type Digest, isDigest } from '../oci/digest.ts';

/** What one cluster says that it runs, or may run again without asking for it. */
export interface Inventory {
  /** By the clock of the cluster: tells which of two reports is newer, and nothing else. Milliseconds since the epoch. */
  readonly reportedAt: number;
  /** The namespaces that it covers; absent where it covers the whole cluster. */
  readonly namespaces?: readonly string[];
  readonly images: readonly UsedImage[];
}

export interface UsedImage {
  /** As the workload or the container runtime writes it, valid or not: `host/path:tag@sha256:…`. */
  readonly image: string;
  /** What it was resolved to: digests of an index, a manifest or a config. */
  readonly digests: readonly Digest[];
  /** Who uses it: `Deployment shop/web`. */
  readonly by: readonly string[];
}

export const inventoryVersion = 'inventory.ne-registry.io/v1alpha1';

/** What a report may hold. Who makes one leaves out what is longer: no such image can have been pulled. */
export const inventoryBounds = {
  bytes: 16 * 1024 * 1024,
  images: 100_000,
  /** Values of its JSON, ten for each image. */
  values: 1_000_000,
  imageLength: 1024,
  byLength: 1024,
  namespaces: 10_000,
} as const;

/** What the registry keeps of a cluster is several reports where their order is in doubt. */
export const keptBounds = {
  bytes: 3 * inventoryBounds.bytes,
  images: 2 * inventoryBounds.images,
  values: 3 * inventoryBounds.values,
} as const;

type Bounds = Record<keyof typeof keptBounds, number>;

/** Problems that are told at once. */
const mostProblems = 20;

/** A report that is refused as a whole. */
export class InvalidInventory extends Error {
  /** One line each, naming the field. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the inventory is not valid: ${problems.join('; ')}`);
    this.name = 'InvalidInventory';
    this.problems = problems;
  }
}

/**
 * Reads a report as it comes over the wire; or, with `keptBounds`, as `formatInventory` wrote it.
 * @throws InvalidInventory with the first twenty problems
 */
export function parseInventory(body: Uint8Array | string, bounds: Bounds = inventoryBounds): Inventory {
  if (body.length > bounds.bytes) throw new InvalidInventory([`the report is longer than ${bounds.bytes} bytes`]);
  const problems = new Problems();
  const inventory = readInventory(parse(body, bounds), { problems, most: bounds.images });
  if (inventory === undefined || problems.found.length > 0) throw new InvalidInventory(problems.found);
  return inventory;
}

/** The JSON of a report, as `parseInventory` reads it. */
export function formatInventory({ reportedAt, namespaces, images }: Inventory): string {
  return JSON.stringify({
    apiVersion: inventoryVersion,
    reportedAt: new Date(reportedAt).toISOString(),
    ...(namespaces && { namespaces }),
    images: images.map(({ image, digests, by }) => ({
      image,
      ...(digests.length > 0 && { digests }),
      ...(by.length > 0 && { by }),
    })),
  });
}

function parse(body: Uint8Array | string, { values }: Bounds): unknown {
  try {
    return parseStrictJson(body, { values });
  } catch (error) {
    if (error instanceof InvalidJson) throw new InvalidInventory([`the report is refused: ${error.message}`]);
    throw error;
  }
}

/** What is wrong with a report, until there is enough of it. */
class Problems {
  readonly found: string[] = [];

  add(field: string, text: string): undefined {
    this.found.push(`${field}: ${text}`);
    if (this.found.length >= mostProblems) throw new InvalidInventory(this.found);
  }
}

function readInventory(
  document: unknown,
  { problems, most }: { problems: Problems; most: number },
): Inventory | undefined {
  if (!isJsonObject(document)) return problems.add('the report', 'must be an object');
  refuseOthers(document, '', ['apiVersion', 'reportedAt', 'namespaces', 'images'], problems);
  if (document.apiVersion !== inventoryVersion)
    return problems.add('apiVersion', `must be ${inventoryVersion}; this registry knows no other`);
  const reportedAt = readTime(document.reportedAt, problems);
  const namespaces =
    document.namespaces === undefined
      ? undefined
      : readTexts(document.namespaces, 'namespaces', { longest: 63, most: inventoryBounds.namespaces }, problems);
  const images = readImages(document.images, most, problems);
  if (reportedAt === undefined || images === undefined) return undefined;
  return { reportedAt, ...(namespaces && { namespaces }), images };
}

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

function readTime(value: unknown, problems: Problems): number | undefined {
  const time = typeof value === 'string' && rfc3339.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) return problems.add('reportedAt', 'must be a time in RFC 3339, such as 2026-11-22T00:00:00Z');
  return time;
}

function readImages(value: unknown, most: number, problems: Problems): UsedImage[] | undefined {
  if (!Array.isArray(value))
    return problems.add('images', 'must be a list; of a cluster that runs nothing, an empty one');
  if (value.length > most) return problems.add('images', `has ${value.length} entries; ${most} are allowed`);
  return value.flatMap((item, index) => readImage(item, `images[${index}]`, problems) ?? []);
}

function readImage(value: unknown, path: string, problems: Problems): UsedImage | undefined {
  if (!isJsonObject(value)) return problems.add(path, 'must be an object');
  refuseOthers(value, `${path}.`, ['image', 'digests', 'by'], problems);
  const { image } = value;
  if (typeof image !== 'string' || image === '' || image.length > inventoryBounds.imageLength)
    return problems.add(`${path}.image`, `must be a text of 1 to ${inventoryBounds.imageLength} characters`);
  const bounds = { longest: inventoryBounds.byLength, most: inventoryBounds.values };
  const by = readTexts(value.by ?? [], `${path}.by`, bounds, problems) ?? [];
  const digests = readTexts(value.digests ?? [], `${path}.digests`, bounds, problems) ?? [];
  const wrong = digests.find((digest) => !isDigest(digest));
  if (wrong !== undefined)
    return problems.add(
      `${path}.digests`,
      `${JSON.stringify(wrong.slice(0, 160))} is no digest: sha256: with 64, or sha512: with 128 lower-case hex digits`,
    );
  return { image, digests: digests as Digest[], by };
}

interface ListBounds {
  readonly longest: number;
  readonly most: number;
}

function readTexts(value: unknown, path: string, { longest, most }: ListBounds, problems: Problems) {
  if (!Array.isArray(value) || value.length > most)
    return problems.add(path, `must be a list of at most ${most} texts`);
  const wrong = value.findIndex((item) => typeof item !== 'string' || item === '' || item.length > longest);
  if (wrong >= 0) return problems.add(`${path}[${wrong}]`, `must be a text of 1 to ${longest} characters`);
  return value as string[];
}

function refuseOthers(value: object, prefix: string, known: readonly string[], problems: Problems): void {
  for (const field of Object.keys(value))
    if (!known.includes(field))
      problems.add(`${prefix}${field.slice(0, 64)}`, 'this field is not known; check its spelling');
}
