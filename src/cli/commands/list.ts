import { parseReference } from '../../domain/oci/reference.ts';
import { isTransferError } from '../../transfer/errors.ts';
import { listRepositories, listTags } from '../../transfer/registry/listing.ts';
import type { Context } from '../context.ts';
import { CliFailure, UsageFailure } from '../failure.ts';
import { refuseNonHost } from './login.ts';

export interface ListOptions {
  readonly limit?: number;
}

/** Lists the repositories of a registry that the caller may see. */
export async function listCatalog(context: Context, host: string, options: ListOptions): Promise<void> {
  refuseNonHost(host);
  try {
    const repositories = await taken(listRepositories(context.registry(host), context.signal), options.limit);
    context.print({ host, repositories }, () => repositories.join('\n'));
  } catch (error) {
    if (!isTransferError(error, 'NotFound') && !isTransferError(error, 'Refused')) throw error;
    throw new CliFailure(
      `${host}: does not list its repositories (many public registries do not); \`ne-cli tags ${host}/NAME\` lists the tags of one`,
    );
  }
}

/** Lists the tags of a repository, in the registry's order. */
export async function listTagsOf(context: Context, text: string, options: ListOptions): Promise<void> {
  const { host, repository, tag, digest } = parseReference(text);
  if (tag !== undefined || digest !== undefined)
    throw new UsageFailure('tags takes a repository, without a tag or digest');
  const tags = await taken(listTags(context.registry(host), repository, context.signal), options.limit);
  context.print({ repository: `${host}/${repository}`, tags }, () => tags.join('\n'));
}

async function taken(names: AsyncIterable<string>, limit = Number.POSITIVE_INFINITY): Promise<string[]> {
  const list: string[] = [];
  for await (const name of names) {
    if (list.length >= limit) break;
    list.push(name);
  }
  return list;
}
