import { readFile } from 'node:fs/promises';
import { isJsonObject, parseStrictJson } from '../../domain/json.ts';
import { type Plan, planTable, useOf } from '../../domain/retention/plan.ts';
import { InvalidPolicy, type Policy } from '../../domain/retention/policy.ts';
import { ImageTable } from '../../domain/retention/table.ts';
import type { Context } from '../context.ts';
import { UsageFailure } from '../failure.ts';
import { ByteWriter } from '../retention/byte-writer.ts';
import { readImages } from '../retention/images-file.ts';
import { PlanJson } from '../retention/plan-json.ts';
import { readPolicy } from '../retention/policy-file.ts';
import { parseTime } from '../retention/time.ts';

/** A list of what is in use may be long. */
const mostPins = 10_000_000;

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
  const pins = options.pins === undefined ? undefined : readPins(await readFile(options.pins, 'utf8'), options.pins);
  const table = new ImageTable(pins && { use: useOf(pins) });
  await readImages(options.images, table, { signal: context.signal });
  context.signal.throwIfAborted();
  const plan = planTable(table, { policy, now });
  const { output } = context.options;
  await (output === 'json' ? printJson(context, table, plan) : printText(context, table, plan));
}

/** One JSON document, a line for each image. */
async function printJson(context: Context, table: ImageTable, plan: Plan): Promise<void> {
  const writer = new ByteWriter(context.surroundings.stdout);
  const json = new PlanJson(table, plan, writer);
  json.begin();
  for (let image = 0; image < table.length; image++) {
    json.add(image);
    if (!writer.isFull) continue;
    context.signal.throwIfAborted();
    await writer.flush();
  }
  json.end();
  await writer.flush();
}

async function printText(context: Context, table: ImageTable, plan: Plan): Promise<void> {
  const writer = new ByteWriter(context.surroundings.stdout);
  for (let image = 0; image < table.length; image++) {
    const { action, reason } = plan.decision(image);
    writer.add(`${action} ${table.digest(image)} ${table.tags.of(image).join(',') || '-'} ${reason}\n`);
    if (!writer.isFull) continue;
    context.signal.throwIfAborted();
    await writer.flush();
  }
  writer.add(`${plan.expiring} of ${table.length} images expire, ${plan.expiringBytes} bytes\n`);
  await writer.flush();
}

async function policyOf(file: string): Promise<Policy & { warnings: readonly string[] }> {
  try {
    return await readPolicy(await readFile(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error;
    throw new UsageFailure(error.problems.map((problem) => `${file}: ${problem}`).join('\n'));
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
    value = parseStrictJson(text, { values: mostPins });
  } catch (error) {
    throw new UsageFailure(`${file}: ${(error as Error).message}`);
  }
  const list = isJsonObject(value) ? value.pins : value;
  if (Array.isArray(list)) return list;
  throw new UsageFailure(`${file}: must be a list of digests`);
}
