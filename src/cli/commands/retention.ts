import { readFile } from 'node:fs/promises';
import { isJsonObject } from '../../domain/json.ts';
import { planRetention } from '../../domain/retention/plan.ts';
import { InvalidPolicy, type Policy } from '../../domain/retention/policy.ts';
import type { Context } from '../context.ts';
import { UsageFailure } from '../failure.ts';
import { parseTime, readImages } from '../retention/images-file.ts';
import { readPolicy } from '../retention/policy-file.ts';

export interface PlanOptions {
  readonly policy: string;
  readonly images: string;
  readonly pins?: string;
  readonly now?: string;
}

/** `ne-cli retention plan`: what a policy would do with the images of a file. Asks no registry. */
export async function planOffline(context: Context, options: PlanOptions): Promise<void> {
  const now = options.now === undefined ? Date.now() : parseTime(options.now);
  if (now === undefined)
    throw new UsageFailure(`--now ${options.now}: must be a time in RFC 3339, such as 2026-11-22T00:00:00Z`);
  const { warnings, ...policy } = await policyOf(options.policy);
  for (const warning of warnings) context.say(`${options.policy}: ${warning}`);
  const images = readImages(await readFile(options.images, 'utf8'), options.images);
  const pins = options.pins === undefined ? undefined : readPins(await readFile(options.pins, 'utf8'), options.pins);
  const plan = planned({ images, policy, now, ...(pins && { pins }) }, options.images);
  const decided = images.map((image, position) => {
    const { action, rulePriority, reason } = plan.decision(position);
    return { imageDigest: image.digest, imageTags: image.tags, action, appliedRulePriority: rulePriority, reason };
  });
  const summary = { expiringImageTotalCount: plan.expiring };
  context.print({ images: decided, summary }, () => {
    const lines = decided.map(
      ({ action, imageDigest, imageTags, reason }) =>
        `${action} ${imageDigest} ${imageTags.join(',') || '-'} ${reason}`,
    );
    return [...lines, `${plan.expiring} of ${images.length} images expire, ${plan.expiringBytes} bytes`].join('\n');
  });
}

async function policyOf(file: string): Promise<Policy & { warnings: readonly string[] }> {
  try {
    return await readPolicy(await readFile(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error;
    throw new UsageFailure(error.problems.map((problem) => `${file}: ${problem}`).join('\n'));
  }
}

function planned(input: Parameters<typeof planRetention>[0], file: string) {
  try {
    return planRetention(input);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageFailure(`${file}: ${error.message}`);
    throw error;
  }
}

/** A JSON list of digests, or of `{digest, by}`; or one digest a line. */
function readPins(text: string, file: string): Map<string, string> {
  const list = /^\s*[[{]/.test(text) ? jsonPins(text, file) : text.split(/\s+/).filter((line) => line !== '');
  return new Map(
    list.map((pin, index) => {
      const digest = isJsonObject(pin) ? pin.digest : pin;
      const by = isJsonObject(pin) && typeof pin.by === 'string' ? pin.by : file;
      if (typeof digest !== 'string' || !digest.includes(':'))
        throw new UsageFailure(`${file}: entry ${index + 1} is no digest`);
      return [digest, by];
    }),
  );
}

function jsonPins(text: string, file: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageFailure(`${file}: not valid JSON: ${(error as Error).message}`);
  }
  const list = isJsonObject(value) ? value.pins : value;
  if (Array.isArray(list)) return list;
  throw new UsageFailure(`${file}: must be a list of digests`);
}
