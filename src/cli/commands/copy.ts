import { formatReference, manifestNameOf, parseReference, type Reference } from '../../domain/oci/reference.ts';
import { BlobLedger } from '../../transfer/copy/blob-ledger.ts';
import { bounded } from '../../transfer/copy/bounded.ts';
import { type CopyResult, copyImage } from '../../transfer/copy/copy-image.ts';
import { imageFor, parsePlatform } from '../../transfer/copy/platform.ts';
import { isTransferError } from '../../transfer/errors.ts';
import { RegistryImage } from '../../transfer/image/registry-image.ts';
import type { RegistryClient } from '../../transfer/registry/client.ts';
import { listTags } from '../../transfer/registry/listing.ts';
import { isFallbackTag } from '../../transfer/registry/referrers.ts';
import type { Context, Loosening } from '../context.ts';
import { CliFailure, describeFailure, UsageFailure } from '../failure.ts';
import type { Progress } from '../progress/progress.ts';
import { copySummary } from './summary.ts';

export interface CopyCommandOptions {
  readonly allTags?: boolean;
  readonly referrers?: boolean;
  readonly platform?: readonly string[];
  readonly sourceInsecure?: boolean;
  readonly sourcePlainHttp?: boolean;
  readonly targetInsecure?: boolean;
  readonly targetPlainHttp?: boolean;
}

interface Outcome {
  readonly source: string;
  readonly target: string;
  readonly error?: string;
}

/** Enough that one image's small requests fill the time of another's. */
const tagsAtOnce = 4;

/** Copies one image, or every tag of a repository, from registry to registry. */
export async function copy(
  context: Context,
  sourceText: string,
  targetText: string,
  options: CopyCommandOptions,
): Promise<void> {
  const source = parseReference(sourceText);
  const target = parseReference(targetText);
  if (target.digest !== undefined)
    throw new UsageFailure('copy to a tag, not to a digest: the digest stays the same by itself');
  if (options.allTags === true && (source.tag ?? source.digest ?? target.tag) !== undefined) {
    throw new UsageFailure('with --all-tags, name repositories, without a tag or digest');
  }
  const progress = context.progress();
  const job = new CopyJob(context, { source, target, options, progress });
  try {
    if (options.allTags === true) await job.allTags();
    else await job.one();
  } finally {
    progress.stop();
  }
}

class CopyJob {
  readonly #context: Context;
  readonly #parts: {
    readonly source: Reference;
    readonly target: Reference;
    readonly options: CopyCommandOptions;
    readonly progress: Progress;
  };
  readonly #fromClient: RegistryClient;
  readonly #from: RegistryImage;
  readonly #to: RegistryImage;
  readonly #ledger = new BlobLedger();

  constructor(
    context: Context,
    parts: { source: Reference; target: Reference; options: CopyCommandOptions; progress: Progress },
  ) {
    const { source, target, options } = parts;
    this.#context = context;
    this.#parts = parts;
    const from = loosening(context, options.sourceInsecure, options.sourcePlainHttp);
    const to = loosening(context, options.targetInsecure, options.targetPlainHttp);
    this.#fromClient = context.registry(source.host, from);
    this.#from = new RegistryImage(this.#fromClient, source.repository);
    this.#to = new RegistryImage(context.registry(target.host, to), target.repository);
  }

  async one(): Promise<void> {
    const { source, target, progress } = this.#parts;
    const byDigestAlone = target.tag === undefined && source.tag === undefined && source.digest !== undefined;
    const tag = byDigestAlone ? undefined : (target.tag ?? source.tag ?? 'latest');
    const result = await this.#copy(manifestNameOf(source), tag);
    progress.stop();
    const reference = formatReference({
      host: target.host,
      repository: target.repository,
      ...(tag === undefined ? {} : { tag }),
    });
    this.#context.print({ source: formatReference(source), target: reference, ...result }, () =>
      copySummary(reference, result),
    );
  }

  /** One tag's failure does not stop the others. */
  async allTags(): Promise<void> {
    const { source, target, progress } = this.#parts;
    const { signal } = this.#context;
    const tags: string[] = [];
    for await (const tag of listTags(this.#fromClient, source.repository, signal)) {
      // These stand in for the referrers API, which the target may well have: the referrers themselves are copied.
      if (this.#parts.options.referrers !== true || !isFallbackTag(tag)) tags.push(tag);
    }
    const outcomes: Outcome[] = [];
    await bounded([...tags.entries()], tagsAtOnce, signal, async ([position, tag]) => {
      const names = { source: formatReference({ ...source, tag }), target: formatReference({ ...target, tag }) };
      try {
        outcomes[position] = { ...names, ...(await this.#copy(tag, tag)) };
      } catch (error) {
        if (isTransferError(error, 'Cancelled')) throw error;
        outcomes[position] = { ...names, error: describeFailure(error).message };
      }
    });
    progress.stop();
    const failed = outcomes.filter((outcome) => outcome.error !== undefined);
    this.#context.print({ tags: outcomes }, () =>
      outcomes.map(({ target: name, error }) => (error === undefined ? name : `${name}: FAILED: ${error}`)).join('\n'),
    );
    if (failed.length > 0)
      throw new CliFailure(
        `${failed.length} of ${outcomes.length} tags could not be copied; running the same command again copies only what is missing`,
      );
  }

  async #copy(image: string, tag: string | undefined): Promise<CopyResult> {
    const { options, progress } = this.#parts;
    const { signal } = this.#context;
    const platforms = (options.platform ?? []).map(parsePlatform);
    const root = await this.#from.manifest(image, signal);
    const [only, ...more] = platforms;
    const chosen = only !== undefined && more.length === 0 ? await imageFor(this.#from, root, only, signal) : root;
    return await copyImage({
      source: this.#from,
      target: this.#to,
      image: chosen,
      referrers: options.referrers === true,
      platforms: more.length === 0 ? [] : platforms,
      ledger: this.#ledger,
      onEvent: progress.onEvent,
      signal,
      ...(tag === undefined ? {} : { tag }),
    });
  }
}

function loosening(context: Context, insecure: boolean | undefined, plainHttp: boolean | undefined): Loosening {
  return {
    insecure: insecure === true || context.options.insecure === true,
    plainHttp: plainHttp === true || context.options.plainHttp === true,
  };
}
