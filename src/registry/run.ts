import { Fatal } from '../platform/fatal.ts';
import { createLog } from '../platform/log.ts';
import { settle } from '../platform/settle.ts';
import { onShutdown } from '../platform/shutdown.ts';
import { version } from '../platform/version.ts';
import { documentFromFlags, type ServeFlags } from './config.ts';
import { StoreError } from './metadata/store.ts';
import { startRegistry } from './serve.ts';
import type { Source } from './settings.ts';

/** From when it serves until it settles, milliseconds: who waited for it is answered first. */
const settling = 1000;

/** `ne-registry serve`: runs until a signal asks it to stop; the exit code. Throws Fatal where it cannot start or go on. */
export async function serve(flags: Partial<ServeFlags> & { config?: string }): Promise<number> {
  const log = createLog({ base: { program: 'registry' } });
  const source = sourceOf(flags);
  const death = Promise.withResolvers<never>();
  death.promise.catch(() => undefined);
  const registry = await start(source, { log, onDeath: death.reject });
  process.on('SIGHUP', () => void registry.reload());
  const { api, management } = registry;
  // Before anybody is told that it serves: whoever reads that may ask it to stop at once.
  const stopped = onShutdown(log, registry.shutdown);
  log.info({ version, api, management, pid: process.pid }, 'serving');
  setTimeout(() => void settle(), settling).unref();
  return Promise.race([stopped, death.promise]);
}

async function start(
  source: Source,
  { log, onDeath }: { log: ReturnType<typeof createLog>; onDeath: (error: Error) => void },
) {
  try {
    return await startRegistry({ source, log, onDeath });
  } catch (error) {
    throw error instanceof StoreError ? new Fatal(error.message, { cause: error }) : error;
  }
}

function sourceOf({ config, data, ...rest }: Partial<ServeFlags> & { config?: string }): Source {
  if (config !== undefined) return { file: config };
  if (data === undefined) {
    throw new Fatal('serve needs --data DIR (where to keep images) or --config FILE; --help tells more', {
      exit: 'usage',
    });
  }
  return { document: documentFromFlags({ ...rest, data }) };
}
