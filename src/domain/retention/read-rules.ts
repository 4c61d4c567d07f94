import { isJsonObject } from '../json.ts';
import { Fields } from './fields.ts';
import { type Count, InvalidPolicy, type Rule, type StorageClass, type TagRequirement } from './policy.ts';
import { conflictsOf } from './rule-conflicts.ts';

/** Stars that ECR allows in one pattern. */
const mostStars = 4;
/** `sinceImageTransitioned` takes no less, days. */
const shortestArchive = 90;

/**
 * Reads rules of a policy, from ECR's JSON or from `RetentionPolicy.spec.rules`.
 * @throws InvalidPolicy with every problem of every rule (V2–V8 of the specification)
 */
export function readRules(value: unknown): Rule[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new InvalidPolicy(['rules: must be a list with at least one rule']);
  const problems: string[] = [];
  const rules = value.map((rule, index) => readRule(rule, nameOf(rule, index), problems));
  const read = rules.filter((rule) => rule !== undefined);
  problems.push(...conflictsOf(read));
  if (problems.length > 0) throw new InvalidPolicy(problems);
  return read.sort((a, b) => a.priority - b.priority);
}

function nameOf(rule: unknown, index: number): string {
  const priority = isJsonObject(rule) ? rule.rulePriority : undefined;
  return typeof priority === 'number' ? `rules[${index}] (rulePriority ${priority})` : `rules[${index}]`;
}

/** Undefined where the rule has a problem, which is then in `problems`. */
function readRule(value: unknown, name: string, problems: string[]): Rule | undefined {
  const before = problems.length;
  const fields = Fields.of(value, name, problems);
  if (fields === undefined) return undefined;
  fields.refuseOthers(['rulePriority', 'description', 'selection', 'action']);
  const priority = fields.integer('rulePriority', 1);
  const description = fields.text('description');
  const selection = fields.object('selection');
  const action = readAction(fields);
  const tags = selection && readTags(selection);
  const storageClass = selection && readStorageClass(selection);
  const count = selection && readCount(selection);
  if (selection && count && action) checkTogether(selection, fields, { count, action, storageClass });
  if (problems.length > before || !tags || !count || !action || !storageClass || priority === undefined)
    return undefined;
  return { priority, tags, count, storageClass, action, ...(description === undefined ? {} : { description }) };
}

function readAction(rule: Fields): Rule['action'] | undefined {
  const fields = rule.object('action');
  if (fields === undefined) return undefined;
  fields.refuseOthers(['type', 'targetStorageClass']);
  const type = fields.choice('type', ['expire', 'transition'], true);
  const target = fields.choice('targetStorageClass', ['archive']);
  if (type === 'transition' && !fields.has('targetStorageClass'))
    fields.problem('targetStorageClass', 'must be archive with type transition');
  if (type === 'expire' && target !== undefined)
    fields.problem('targetStorageClass', 'goes with type transition only; leave it out');
  return type;
}

function readTags(selection: Fields): TagRequirement | undefined {
  selection.refuseOthers([
    'tagStatus',
    'tagPatternList',
    'tagPrefixList',
    'countType',
    'countUnit',
    'countNumber',
    'storageClass',
  ]);
  const tagStatus = selection.choice('tagStatus', ['tagged', 'untagged', 'any'], true);
  const given = (['tagPatternList', 'tagPrefixList'] as const).filter((key) => selection.has(key));
  if (tagStatus === 'untagged' || tagStatus === 'any') {
    for (const key of given) selection.problem(key, `does not go with tagStatus ${tagStatus}; leave it out`);
    return { tagStatus };
  }
  if (tagStatus === undefined) return undefined;
  if (given.length !== 1 || given[0] === undefined) {
    selection.problem('tagStatus', 'tagged needs exactly one of tagPatternList and tagPrefixList');
    return undefined;
  }
  const list = given[0];
  const texts = selection.texts(list);
  if (list === 'tagPrefixList')
    return { tagStatus, list, patterns: texts.map((prefix) => `${starless(prefix, selection)}*`) };
  for (const pattern of texts) {
    if (pattern.split('*').length - 1 > mostStars)
      selection.problem('tagPatternList', `${JSON.stringify(pattern)} has more than ${mostStars} *`);
  }
  return { tagStatus, list, patterns: texts };
}

/** No tag has a star in it, so a prefix with one is a pattern in the wrong list. */
function starless(prefix: string, selection: Fields): string {
  if (prefix.includes('*'))
    selection.problem('tagPrefixList', `${JSON.stringify(prefix)} has a *, which no tag has; use tagPatternList`);
  return prefix;
}

function readStorageClass(selection: Fields): StorageClass {
  return selection.choice('storageClass', ['standard', 'archive']) ?? 'standard';
}

const countTypes = ['imageCountMoreThan', 'sinceImagePushed', 'sinceImagePulled', 'sinceImageTransitioned'] as const;

function readCount(selection: Fields): Count | undefined {
  const type = selection.choice('countType', countTypes, true);
  const number = selection.integer('countNumber', 1);
  const unit = selection.choice('countUnit', ['days']);
  if (type === 'imageCountMoreThan' && selection.has('countUnit'))
    selection.problem('countUnit', 'does not go with countType imageCountMoreThan; leave it out');
  if (type !== undefined && type !== 'imageCountMoreThan' && !selection.has('countUnit'))
    selection.problem('countUnit', `must be days with countType ${type}`);
  if (type === undefined || number === undefined) return undefined;
  return type === 'imageCountMoreThan' || unit !== undefined ? { type, number } : undefined;
}

interface Whole {
  readonly count: Count;
  readonly action: Rule['action'];
  readonly storageClass: StorageClass | undefined;
}

function checkTogether(selection: Fields, rule: Fields, { count, action, storageClass }: Whole): void {
  if (action === 'transition' && storageClass === 'archive')
    selection.problem(
      'storageClass',
      'must be standard with action.type transition: what is in the archive already cannot go there',
    );
  if (count.type !== 'sinceImageTransitioned') return;
  if (storageClass !== 'archive')
    selection.problem('storageClass', 'must be archive with countType sinceImageTransitioned');
  if (action !== 'expire') rule.problem('action.type', 'must be expire with countType sinceImageTransitioned');
  if (count.number < shortestArchive)
    selection.problem('countNumber', `must be at least ${shortestArchive} with countType sinceImageTransitioned`);
}
