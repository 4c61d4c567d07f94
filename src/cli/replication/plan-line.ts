/** One line of a plan, as the admin API streams it. */
import { isJsonObject } from '../../domain/json.ts';
import { shortDigest } from '../text.ts';

export interface PlanLine {
  readonly action: 'copy' | 'delete' | 'conflict' | 'unchanged' | 'error';
  readonly text: string;
}

export function readPlanLine(raw: unknown): PlanLine {
  const line = isJsonObject(raw) ? raw : {};
  const { repository, target, error } = line;
  if (isJsonObject(error)) {
    const where = target === undefined ? '' : ` at ${target}`;
    return { action: 'error', text: `error ${repository}${where}: ${error.reason}: ${error.message}` };
  }
  const done = String(line.action);
  const digests = [line.present, line.digest].filter((each) => typeof each === 'string').map(shortDigest);
  const moved = digests.length === 0 ? '' : ` ${[...new Set(digests)].join(' → ')}`;
  return {
    action: done === 'copy' || done === 'delete' || done === 'conflict' ? done : 'unchanged',
    text: `${done} ${repository}:${line.tag} to ${target} as ${line.as} (${line.reason})${moved}`,
  };
}
