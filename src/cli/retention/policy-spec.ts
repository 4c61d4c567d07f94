/** The spec of a policy in a file, as a registry takes it. */
import { readFile } from 'node:fs/promises';
import { isJsonObject } from '../../domain/json.ts';
import { InvalidPolicy } from '../../domain/retention/policy.ts';
import { readPolicyText } from '../../domain/retention/read-policy.ts';
import { readPolicySpec } from '../../domain/retention/read-resource.ts';
import { UsageFailure } from '../failure.ts';
import { parseYaml } from './policy-file.ts';

/**
 * Reads the JSON of an ECR lifecycle policy, or a RetentionPolicy in YAML. What is wrong with it is said here, before anybody is asked.
 * @throws UsageFailure with every problem
 */
export async function policySpec(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8');
  try {
    if (text.trimStart().startsWith('{')) {
      readPolicyText(text);
      return { lifecyclePolicyText: text };
    }
    const document = await parseYaml(text);
    const spec = isJsonObject(document) && document.kind === 'RetentionPolicy' ? document.spec : undefined;
    if (!isJsonObject(spec))
      throw new InvalidPolicy(['must be a RetentionPolicy, or the JSON of an ECR lifecycle policy']);
    readPolicySpec(spec);
    return spec;
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error;
    throw new UsageFailure(error.problems.map((problem) => `${file}: ${problem}`).join('\n'));
  }
}
