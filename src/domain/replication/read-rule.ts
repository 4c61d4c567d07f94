import { Range } from 'semver';
import { nextTime } from '../schedule.ts';
import { type Endpoint, hasPattern, placeOf, readSource, readTarget } from './endpoint.ts';
import { SpecFields } from './fields.ts';
import { matcherOf } from './pattern.ts';
import { InvalidRule, type ReplicationRule } from './rule.ts';
import type { TagSelection } from './select.ts';
import { isTimeZone, readTimeOfDay, type Window } from './window.ts';

const known = [
  'source',
  'targets',
  'registryRef',
  'connections',
  'select',
  'triggers',
  'schedule',
  'timeZone',
  'referrers',
  'deletion',
  'onConflict',
  'transfer',
  'retry',
  'suspend',
  'dryRun',
];

const hour = 3_600_000;
const mostTargets = 64;

/**
 * Reads `ReplicationRule.spec`.
 * @throws InvalidRule with every problem, each naming its field
 */
export function readReplicationRule(value: unknown): ReplicationRule {
  const problems: string[] = [];
  const spec = new SpecFields(value, 'spec', problems);
  spec.refuseOthers(known);
  const places = readPlaces(spec);
  const select = spec.part('select');
  select?.refuseOthers(['tags', 'platforms', 'artifactTypes']);
  const deletion = readDeletion(spec);
  const rule = {
    ...places,
    tags: readTags(select?.part('tags')),
    platforms: readPlatforms(select),
    artifactTypes: (select?.texts('artifactTypes') ?? []).map((pattern) => matcherOf(pattern.toLowerCase())),
    ...readTimes(spec),
    referrers: spec.flag('referrers', true),
    ...(deletion && { deletion }),
    onConflict: spec.choice('onConflict', ['Override', 'Skip', 'Fail']),
    ...readTransfer(spec.part('transfer')),
    retry: readRetry(spec.part('retry')),
    suspend: spec.flag('suspend', false),
    dryRun: spec.flag('dryRun', false),
  };
  if (problems.length > 0 || rule.source === undefined) throw new InvalidRule(problems);
  return { ...rule, source: rule.source };
}

function readPlaces(spec: SpecFields): { source: Endpoint | undefined; targets: Endpoint[] } {
  const read = (field: string, text: string, parse: (text: string) => Endpoint | string) => {
    const endpoint = parse(text);
    if (typeof endpoint !== 'string') return [endpoint];
    spec.problem(field, endpoint);
    return [];
  };
  if (!spec.has('source')) spec.problem('source', 'is missing: name where images come from, host[:port]/path');
  const sourceText = spec.text('source');
  const [source] = sourceText === undefined ? [] : read('source', sourceText, readSource);
  const texts = spec.texts('targets');
  if (texts.length === 0) spec.problem('targets', 'is missing: name at least one place where images go');
  if (texts.length > mostTargets) spec.problem('targets', `has more than ${mostTargets} entries`);
  const targets = texts.flatMap((text, index) => read(`targets[${index}]`, text, readTarget));
  for (const [index, target] of targets.entries()) {
    if (targets.findIndex(({ text }) => text === target.text) < index)
      spec.problem(`targets[${index}]`, 'is there twice');
    if (source !== undefined && isOnto(source, target))
      spec.problem(`targets[${index}]`, 'is the source itself: a copy onto itself does nothing');
  }
  return { source, targets };
}

/** Whether every image would be copied to where it is. */
function isOnto(source: Endpoint, target: Endpoint): boolean {
  if (placeOf(source) !== placeOf(target)) return false;
  const parts = source.path.split('/');
  const first = parts.findIndex(hasPattern);
  const fixed = first < 0 ? source.path : parts.slice(0, first).join('/');
  return target.path === fixed || (first < 0 && target.path === '');
}

function readTags(fields: SpecFields | undefined): TagSelection {
  if (fields === undefined) return { include: [], exclude: [] };
  fields.refuseOthers(['include', 'exclude', 'semver', 'newest', 'pushedWithin']);
  const patterns = (field: string) => fields.texts(field).map((pattern) => matcherOf(pattern));
  const semver = fields.parsed(
    'semver',
    rangeOf,
    'must be a range of semantic versions such as ">=1.2.0 <2.0.0" or "^1.4"',
  );
  const newest = fields.integer('newest', 1_000_000);
  const pushedWithin = fields.duration('pushedWithin');
  return {
    include: patterns('include'),
    exclude: patterns('exclude'),
    ...(semver && { semver }),
    ...(newest !== undefined && { newest }),
    ...(pushedWithin !== undefined && { pushedWithin }),
  };
}

function rangeOf(text: string): Range | undefined {
  try {
    return new Range(text);
  } catch {
    return undefined;
  }
}

function readPlatforms(select: SpecFields | undefined): string[] {
  const platforms = (select?.texts('platforms') ?? []).map((platform) => platform.toLowerCase());
  for (const [index, platform] of platforms.entries()) {
    if (!/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9_.]+)?$/.test(platform))
      select?.problem(`platforms[${index}]`, 'must be os/architecture[/variant], for example linux/amd64');
  }
  return platforms;
}

type Times = Pick<ReplicationRule, 'schedule' | 'timeZone' | 'onPush' | 'window'>;

function readTimes(spec: SpecFields): Times {
  const timeZone = spec.text('timeZone') ?? 'UTC';
  const knownZone = isTimeZone(timeZone);
  if (!knownZone) spec.problem('timeZone', 'is no name of a time zone of the IANA database, such as Asia/Shanghai');
  const zone = knownZone ? timeZone : 'UTC';
  const schedule = spec.text('schedule') ?? '@hourly';
  const why = scheduleProblem(schedule, zone);
  if (why !== undefined) spec.problem('schedule', why);
  const triggers = spec.part('triggers');
  triggers?.refuseOthers(['onPush', 'window']);
  const window = readWindow(triggers?.part('window'), zone);
  return {
    schedule,
    timeZone: zone,
    ...(triggers?.has('onPush') && { onPush: triggers.flag('onPush', true) }),
    ...(window && { window }),
  };
}

function scheduleProblem(schedule: string, timeZone: string): string | undefined {
  try {
    nextTime(schedule, 0, timeZone);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'is no schedule';
  }
}

function readWindow(fields: SpecFields | undefined, timeZone: string): Window | undefined {
  if (fields === undefined) return undefined;
  fields.refuseOthers(['start', 'end']);
  for (const field of ['start', 'end']) if (!fields.has(field)) fields.problem(field, 'is missing');
  const start = fields.parsed('start', readTimeOfDay, 'must be a time of day such as 22:00');
  const end = fields.parsed('end', readTimeOfDay, 'must be a time of day such as 06:00');
  return start === undefined || end === undefined ? undefined : { start, end, timeZone };
}

function readDeletion(spec: SpecFields): ReplicationRule['deletion'] {
  const fields = spec.part('deletion');
  if (fields === undefined) return undefined;
  fields.refuseOthers(['policy', 'maxPerRun', 'delay']);
  const policy = fields.choice('policy', ['Ignore', 'Propagate']);
  const maxPerRun = fields.integer('maxPerRun', 1_000_000) ?? 100;
  const delay = fields.duration('delay') ?? hour;
  if (policy === 'Propagate') return { maxPerRun, delay };
  for (const field of ['maxPerRun', 'delay'])
    if (fields.has(field)) fields.problem(field, 'has no meaning without policy: Propagate');
  return undefined;
}

function readTransfer(fields: SpecFields | undefined): Pick<ReplicationRule, 'bandwidth' | 'concurrency'> {
  fields?.refuseOthers(['bandwidth', 'concurrency']);
  const bandwidth = fields?.parsed('bandwidth', readBandwidth, 'must be bytes a second, at least 1Ki, such as 50Mi');
  return { concurrency: fields?.integer('concurrency', 256) ?? 4, ...(bandwidth !== undefined && { bandwidth }) };
}

const units = { '': 1, k: 1e3, M: 1e6, G: 1e9, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 } as const;

function readBandwidth(text: string): number | undefined {
  const [, number, unit = ''] = /^([0-9]{1,15})([kMG]|[KMG]i)?$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const bytes = Number(number) * units[unit as keyof typeof units];
  return bytes >= 1024 ? bytes : undefined;
}

function readRetry(fields: SpecFields | undefined): ReplicationRule['retry'] {
  fields?.refuseOthers(['minInterval', 'maxInterval']);
  const min = Math.max(100, fields?.duration('minInterval') ?? 1000);
  const max = fields?.duration('maxInterval') ?? Math.max(min, 300_000);
  if (min > max) fields?.problem('minInterval', 'must be no longer than maxInterval');
  return { min, max: Math.max(min, max) };
}
