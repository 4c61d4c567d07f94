import type { Evaluation } from './evaluation.ts';

/** What `ne-cli retention plan` prints for a file, for one repository: one line of JSON, in pieces, because it may be long. */
export function* previewText(evaluation: Evaluation): Generator<string> {
  yield `{"repository":${JSON.stringify(evaluation.repository)},"images":[`;
  for (let image = 0; image < evaluation.length; image++) {
    const { action, rulePriority, reason } = evaluation.decision(image);
    const [imageDigest, imageTags] = [evaluation.digest(image), evaluation.tags(image)];
    const shown = { imageDigest, imageTags, action, appliedRulePriority: rulePriority, reason };
    yield `${image === 0 ? '' : ','}${JSON.stringify(shown)}`;
  }
  yield `],"summary":{"expiringImageTotalCount":${evaluation.expiring}}}\n`;
}
