import { InvalidJson, isJsonObject, parseStrictJson } from '../json.ts';
import { InvalidPolicy, type Rule } from './policy.ts';
import { readRules } from './read-rules.ts';

/** AWS bounds a policy's text to this many characters. */
const longestText = 30_720;
const shortestText = 100;

/**
 * Reads a policy as ECR takes it: the JSON of `aws ecr put-lifecycle-policy --lifecycle-policy-text`.
 * @returns its rules, strongest first, and what is odd about it without being wrong
 * @throws InvalidPolicy with every problem
 */
export function readPolicyText(text: string): { rules: Rule[]; warnings: string[] } {
  if (text.length > longestText)
    throw new InvalidPolicy([`the text has ${text.length} characters; ECR takes at most ${longestText}`]);
  const rules = readRules(rulesOf(parse(text)));
  const warnings =
    text.length < shortestText
      ? [`the text has ${text.length} characters; ECR itself takes no less than ${shortestText}`]
      : [];
  return { rules, warnings };
}

function parse(text: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (error instanceof InvalidJson) throw new InvalidPolicy([`the text is ${notJson(error.message)}`]);
    throw error;
  }
}

function notJson(message: string): string {
  return message.startsWith('not ') ? message : `not accepted: ${message}`;
}

function rulesOf(document: unknown): unknown {
  if (!isJsonObject(document)) throw new InvalidPolicy(['the policy must be an object with the key rules']);
  const unknown = Object.keys(document).filter((key) => key !== 'rules');
  if (unknown.length > 0)
    throw new InvalidPolicy(unknown.map((key) => `${key}: this field is not known; a policy has only rules`));
  return document.rules;
}
