import { InvalidPolicy, type Policy } from '../../domain/retention/policy.ts';
import { readPolicyText } from '../../domain/retention/read-policy.ts';
import { readPolicyResource } from '../../domain/retention/read-resource.ts';

/**
 * Reads a policy: the JSON of an ECR lifecycle policy, or a RetentionPolicy in YAML.
 * @throws InvalidPolicy with every problem
 */
export async function readPolicy(text: string): Promise<Policy & { warnings: readonly string[] }> {
  // A JSON text is read as JSON: YAML would let trailing commas pass.
  if (text.trimStart().startsWith('{')) return readPolicyText(text);
  return readPolicyResource(await parseYaml(text));
}

/** Reads YAML strictly. @throws InvalidPolicy */
export async function parseYaml(text: string): Promise<unknown> {
  const { parseDocument } = (await import('yaml')).default;
  const document = parseDocument(text, { uniqueKeys: true, strict: true, prettyErrors: true });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0)
    throw new InvalidPolicy(faults.map(({ message }) => `the text is not valid YAML: ${message.split('\n')[0]}`));
  return document.toJS({ maxAliasCount: 0 });
}
