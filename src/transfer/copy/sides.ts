import { isTransferError, type Side } from '../errors.ts';
import type { ImageSource, ImageTarget } from '../image/image.ts';

/** The same source; what it throws says that the source failed. */
export function asSource(source: ImageSource): ImageSource {
  const noted = noting('source');
  return {
    name: source.name,
    ...(source.repository === undefined ? {} : { repository: source.repository }),
    manifest: (reference, signal) => noted(source.manifest(reference, signal)),
    blob: (descriptor, offset, signal, lent) => notedChunks(source.blob(descriptor, offset, signal, lent)),
    referrers: (subject, signal) => noted(source.referrers(subject, signal)),
    whileReading: (signal, work) => source.whileReading(signal, work),
    close: () => source.close(),
  };
}

/** The same target; what it throws says that the target failed, unless its source did. */
export function asTarget(target: ImageTarget): ImageTarget {
  const noted = noting('target');
  const { referrers } = target;
  return {
    name: target.name,
    ...(target.takesLent === undefined ? {} : { takesLent: target.takesLent }),
    ...(target.repository === undefined ? {} : { repository: target.repository }),
    ...(target.sendsUnasked === undefined ? {} : { sendsUnasked: target.sendsUnasked }),
    hasBlob: (descriptor, signal) => noted(target.hasBlob(descriptor, signal)),
    hasManifest: (digest, signal) => noted(target.hasManifest(digest, signal)),
    tagged: (tag, signal) => noted(target.tagged(tag, signal)),
    writeBlob: (descriptor, options, signal) => noted(target.writeBlob(descriptor, options, signal)),
    writeManifest: (manifest, signal) => noted(target.writeManifest(manifest, signal)),
    tag: (tag, manifest, signal, headers) => noted(target.tag(tag, manifest, signal, headers)),
    ...(referrers === undefined
      ? {}
      : { referrers: (subject, signal) => noted(referrers.call(target, subject, signal)) }),
    whileWriting: (signal, work) => target.whileWriting(signal, work),
    finish: (outcome) => target.finish(outcome),
  };
}

function noting(side: Side): <T>(work: Promise<T>) => Promise<T> {
  return async (work) => {
    try {
      return await work;
    } catch (error) {
      throw isTransferError(error) ? error.on(side) : error;
    }
  };
}

async function* notedChunks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    throw isTransferError(error) ? error.on('source') : error;
  }
}
