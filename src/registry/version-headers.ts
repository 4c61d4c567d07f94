/** How registries of this project tell each other which state of a tag they mean (ADR 24). */
import { Refusal } from '../domain/errors.ts';
import { isWithinReach } from '../domain/replication/version.ts';
import type { Replicated, Replicating } from './metadata/replicating.ts';

const versionHeader = 'ne-tag-version';
const originHeader = 'ne-tag-origin';
/** Of a deletion: what the tag pointed at before, for a tombstone where it was never known. */
export const digestHeader = 'ne-tag-digest';

/** A whole number that a program can hold exactly. */
const VERSION = /^[1-9][0-9]{0,14}$/;
const ORIGIN = /^[A-Za-z0-9][-A-Za-z0-9_.:]{0,127}$/;

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The state that a change was made as on another registry; undefined where the request says none.
 * @throws Refusal UNSUPPORTED 400 where it says one that cannot be
 */
export function readVersion(headers: Headers): Replicated | undefined {
  const [version, origin] = [headers[versionHeader], headers[originHeader]];
  if (version === undefined && origin === undefined) return undefined;
  if (typeof version !== 'string' || typeof origin !== 'string' || !VERSION.test(version) || !ORIGIN.test(origin)) {
    const message =
      'NE-Tag-Version is a whole number from 1 on, and NE-Tag-Origin the identity of a registry; both or none';
    throw new Refusal('UNSUPPORTED', message, { status: 400 });
  }
  return { version: Number(version), origin };
}

/** Headers that say so. */
export function versionHeaders({ version, origin }: Replicated): Record<string, string> {
  return { [versionHeader]: String(version), [originHeader]: origin };
}

/**
 * Before a state of another registry is written: whether its version is one that these tags can have come to.
 * @throws Refusal UNSUPPORTED 400 where it is not
 */
export async function requireReach(
  metadata: Pick<Replicating, 'tagRecord'>,
  repository: string,
  tags: readonly string[],
  { version }: Replicated,
): Promise<void> {
  if (isWithinReach(version, 0)) return;
  for (const tag of tags) {
    const known = (await metadata.tagRecord(repository, tag))?.version ?? 0;
    if (isWithinReach(version, known)) continue;
    const message = `version ${version} of the tag ${tag} is too far past the ${known} that is known here, and would leave no room for later ones`;
    throw new Refusal('UNSUPPORTED', message, { status: 400 });
  }
}
