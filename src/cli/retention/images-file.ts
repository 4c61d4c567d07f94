import { isJsonObject } from '../../domain/json.ts';
import type { Image } from '../../domain/retention/image.ts';
import { UsageFailure } from '../failure.ts';

/**
 * Reads what `aws ecr describe-images` prints (`imageDetails[]`), with `children[]` and `subject` where somebody added them.
 * Times are RFC 3339 or seconds since the epoch, as the AWS CLI prints either.
 * @throws UsageFailure naming the image and the field
 */
export function readImages(text: string, file: string): Image[] {
  const document = parse(text, file);
  const details = isJsonObject(document) ? document.imageDetails : document;
  if (!Array.isArray(details))
    throw new UsageFailure(`${file}: needs the list imageDetails, as aws ecr describe-images prints it`);
  return details.map((detail, index) => readImage(detail, new Place(file, index)));
}

function parse(text: string, file: string): unknown {
  try {
    // Not strict: what AWS prints may gain fields, and a list of a million images is larger than what strangers may send.
    return JSON.parse(text);
  } catch (error) {
    throw new UsageFailure(`${file}: not valid JSON: ${(error as Error).message}`);
  }
}

class Place {
  readonly #file: string;
  readonly #index: number;
  constructor(file: string, index: number) {
    this.#file = file;
    this.#index = index;
  }
  wrong(field: string, problem: string): UsageFailure {
    return new UsageFailure(`${this.#file}: imageDetails[${this.#index}]${field}: ${problem}`);
  }
}

function readImage(detail: unknown, place: Place): Image {
  if (!isJsonObject(detail)) throw place.wrong('', 'must be an object');
  const { imageDigest, imageSizeInBytes, subject } = detail;
  if (typeof imageDigest !== 'string' || imageDigest === '') throw place.wrong('.imageDigest', 'must be a digest');
  if (subject !== undefined && subject !== null && typeof subject !== 'string')
    throw place.wrong('.subject', 'must be a digest');
  if (imageSizeInBytes !== undefined && (typeof imageSizeInBytes !== 'number' || !(imageSizeInBytes >= 0)))
    throw place.wrong('.imageSizeInBytes', 'must be a number of bytes');
  const pushedAt = readTime(detail, 'imagePushedAt', place);
  if (pushedAt === undefined) throw place.wrong('.imagePushedAt', 'is missing');
  const pulledAt = readTime(detail, 'lastRecordedPullTime', place);
  const children = readTexts(detail, 'children', place);
  return {
    digest: imageDigest,
    tags: readTexts(detail, 'imageTags', place),
    pushedAt,
    size: imageSizeInBytes ?? 0,
    ...(pulledAt === undefined ? {} : { pulledAt }),
    ...(children.length > 0 ? { children } : {}),
    ...(typeof subject === 'string' ? { subject } : {}),
  };
}

function readTexts(detail: Record<string, unknown>, field: string, place: Place): readonly string[] {
  const value = detail[field] ?? [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw place.wrong(`.${field}`, 'must be a list of texts');
}

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the epoch. */
function readTime(detail: Record<string, unknown>, field: string, place: Place): number | undefined {
  const value = detail[field];
  if (value === undefined || value === null) return undefined;
  const time = parseTime(value);
  if (time === undefined) throw place.wrong(`.${field}`, 'must be a time in RFC 3339, or seconds since the epoch');
  return time;
}

/** RFC 3339, or a number of seconds since the epoch: milliseconds since the epoch. */
export function parseTime(value: unknown): number | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return Math.round(value * 1000);
  if (typeof value !== 'string' || !rfc3339.test(value)) return undefined;
  const time = Date.parse(value.replace(' ', 'T'));
  return Number.isNaN(time) ? undefined : time;
}
