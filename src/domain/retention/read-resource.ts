import { parseDuration } from '../duration.ts';
import { isJsonObject } from '../json.ts';
import { Fields } from './fields.ts';
import { InvalidPolicy, type Policy, type Protection } from './policy.ts';
import { readPolicyText } from './read-policy.ts';
import { readRules } from './read-rules.ts';

/** What of `RetentionPolicy.spec` says what expires; the rest says where and when. */
const others = [
  'registryRef',
  'repositories',
  'mode',
  'approvedPlan',
  'schedule',
  'timeZone',
  'restoreWindow',
  'suspend',
];

/**
 * Reads the rules and protections out of a RetentionPolicy.
 * @param document the parsed resource
 * @throws InvalidPolicy with every problem
 */
export function readPolicyResource(document: unknown): Policy & { warnings: string[] } {
  if (!isJsonObject(document) || document.kind !== 'RetentionPolicy')
    throw new InvalidPolicy(['the document must be a RetentionPolicy, or the JSON of an ECR lifecycle policy']);
  return readPolicySpec(document.spec);
}

/** The same from its `spec`. */
export function readPolicySpec(value: unknown): Policy & { warnings: string[] } {
  const problems: string[] = [];
  const spec = Fields.of(value, 'spec', problems);
  if (spec === undefined) throw new InvalidPolicy(problems);
  spec.refuseOthers(['rules', 'lifecyclePolicyText', 'protect', ...others]);
  if (spec.has('rules') === spec.has('lifecyclePolicyText'))
    spec.problem('rules', 'set exactly one of rules and lifecyclePolicyText');
  const protect = spec.has('protect') ? readProtection(spec.object('protect')) : undefined;
  const { rules, warnings } = collect(problems, () =>
    readEither(value as Record<string, unknown>, problems.length > 0),
  );
  if (problems.length > 0) throw new InvalidPolicy(problems);
  return { rules, warnings, ...(protect && { protect }) };
}

function readEither({ rules, lifecyclePolicyText: text }: Record<string, unknown>, broken: boolean) {
  if (broken && rules !== undefined && text !== undefined) return { rules: [], warnings: [] };
  if (typeof text === 'string') return readPolicyText(text);
  if (text !== undefined) throw new InvalidPolicy(['spec.lifecyclePolicyText: must be a text']);
  return { rules: rules === undefined ? [] : readRules(rules), warnings: [] };
}

function collect<T>(problems: string[], read: () => T): T | { rules: []; warnings: [] } {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error;
    problems.push(...error.problems);
    return { rules: [], warnings: [] };
  }
}

function readProtection(fields: Fields | undefined): Protection {
  if (fields === undefined) return {};
  fields.refuseOthers(['tags', 'newest', 'pulledWithin']);
  const tags = fields.has('tags') ? fields.texts('tags') : undefined;
  const newest = fields.has('newest') ? fields.integer('newest', 1) : undefined;
  const text = fields.text('pulledWithin');
  const pulledWithin = text === undefined ? undefined : parseDuration(text);
  if (text !== undefined && pulledWithin === undefined)
    fields.problem('pulledWithin', 'must be a duration such as 30d or 12h');
  return {
    ...(tags === undefined ? {} : { tags }),
    ...(newest === undefined ? {} : { newest }),
    ...(pulledWithin === undefined ? {} : { pulledWithin }),
  };
}
