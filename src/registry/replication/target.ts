import { nameAtTarget } from '../../domain/replication/repositories.ts';
import type { ReplicationRule } from '../../domain/replication/rule.ts';
import { TransferError } from '../../transfer/errors.ts';
import type { Place } from './places.ts';

/** What a repository of the source is called at a target. @throws TransferError `Invalid` where that is no name */
export function nameAt({ path, text }: Place, { source }: ReplicationRule, repository: string): string {
  const name = nameAtTarget(source.path, repository, path);
  if (name !== undefined) return name;
  throw new TransferError('Invalid', `${repository} has no name at ${text}: it would be longer than 255 characters`).on(
    'target',
  );
}
