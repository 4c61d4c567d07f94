import { formatReference, parseReference, type Reference } from '../../domain/oci/reference.ts';
import { isTransferError } from '../../transfer/errors.ts';
import type { RegistryClient } from '../../transfer/registry/client.ts';
import { deleteManifest, headManifest } from '../../transfer/registry/manifests.ts';
import type { Context } from '../context.ts';
import { CliFailure, UsageFailure } from '../failure.ts';
import { question } from './login.ts';

export interface RemoveOptions {
  readonly yes?: boolean;
}

/** Deletes a tag, or a manifest with all its tags. Asks first on a terminal. */
export async function remove(context: Context, text: string, options: RemoveOptions): Promise<void> {
  const reference = parseReference(text);
  const name = reference.digest ?? reference.tag;
  if (name === undefined)
    throw new UsageFailure('say what to delete: a tag (host/name:tag) or a digest (host/name@sha256:…)');
  const client = context.registry(reference.host);
  const found = await headManifest(client, reference.repository, name, context.signal);
  if (found === undefined) throw new CliFailure(`${formatReference(reference)}: there is no such image`);

  if (options.yes !== true && !(await confirmed(context, reference))) throw new CliFailure('nothing was deleted');
  await deleteIt(context, client, reference, name);
  context.print(
    {
      reference: formatReference(reference),
      digest: found.digest,
      deleted: reference.digest === undefined ? 'tag' : 'manifest',
    },
    () => `deleted ${formatReference(reference)}`,
  );
}

async function confirmed(context: Context, reference: Reference): Promise<boolean> {
  const { stdin, stderr } = context.surroundings;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return true;
  const what = reference.digest === undefined ? 'the tag' : 'the manifest, with all its tags,';
  const answer = await question(context, `Delete ${what} ${formatReference(reference)}? [y/N] `);
  return /^y(es)?$/i.test(answer);
}

async function deleteIt(context: Context, client: RegistryClient, reference: Reference, name: string): Promise<void> {
  try {
    await deleteManifest(client, { repository: reference.repository, reference: name }, context.signal);
  } catch (error) {
    const unsupported =
      isTransferError(error, 'Refused') &&
      (error.status === 405 || error.status === 400 || error.codes.includes('UNSUPPORTED'));
    if (!unsupported) throw error;
    const hint =
      reference.digest === undefined
        ? 'it may be able to delete by digest, which removes all its tags: see `ne-cli inspect`'
        : 'deleting may be switched off there';
    throw new CliFailure(
      `${reference.host}: does not delete ${reference.digest === undefined ? 'tags' : 'manifests'}; ${hint} (${error.message})`,
    );
  }
}
