import type { RegistryBootstrap } from '../../api/bootstrap/v1alpha1.ts';
import { Fatal } from '../../platform/fatal.ts';
import { documentFromFlags, parseDocument, readConfigured } from '../config.ts';
import { StoreError } from '../metadata/store.ts';
import { openStores, type Stores, type StoresOptions } from '../stores.ts';
import type { PlaceFlags } from './flags.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface Outputs {
  readonly stdout: Output;
  readonly stderr: Output;
}

/** The document of a registry that a command works on. Throws Fatal (usage). */
export async function documentOf({ data, config }: PlaceFlags): Promise<RegistryBootstrap> {
  if ((data === undefined) === (config === undefined))
    throw new Fatal('say which registry: either --data DIR or --config FILE', { exit: 'usage' });
  if (data !== undefined) return documentFromFlags({ data });
  return documentAt(config ?? '');
}

/** The bootstrap document in a file. Throws Fatal (usage) that names the file, and the line and key that are wrong. */
export async function documentAt(file: string): Promise<RegistryBootstrap> {
  const content = await readConfigured(file, 'the configuration');
  return parseDocument(content.toString('utf8'), file);
}

/** Opens stores for one command and closes them after it. What a store says is the command's reason. */
export async function withStores<T>(
  document: RegistryBootstrap,
  mode: StoresOptions['mode'],
  work: (stores: Stores) => Promise<T>,
): Promise<T> {
  return told(async () => {
    const stores = await openStores(document, { mode, onDeath: () => undefined });
    try {
      return await work(stores);
    } finally {
      await stores.close();
    }
  });
}

/** A store's error says what to do: it is no bug of ours. */
export async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof StoreError ? new Fatal(error.message, { cause: error }) : error;
  }
}
