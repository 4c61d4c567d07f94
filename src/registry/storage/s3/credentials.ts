import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf } from '../../../platform/fatal.ts';
import { StoreError } from '../../metadata/store.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When they have to be asked for again. */
  readonly expiration: Date;
}

/** How long what the files said is believed, milliseconds. */
const FRESH = 5_000;

/** Credentials in files, as a mounted Secret has them: read again every few seconds, so that a rotation needs no restart. */
export class CredentialsFolder {
  readonly #folder: string;
  #known: { credentials: Credentials; readAt: number } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Throws StoreError that names the file that is missing. */
  async read(): Promise<Credentials> {
    if (this.#known !== undefined && performance.now() - this.#known.readAt < FRESH) return this.#known.credentials;
    const accessKeyId = await this.#required('AWS_ACCESS_KEY_ID');
    const secretAccessKey = await this.#required('AWS_SECRET_ACCESS_KEY');
    const sessionToken = await this.#optional('AWS_SESSION_TOKEN');
    // The SDK asks again for what expires within minutes; what never expires it would keep for good.
    const expiration = new Date(Date.now() + 60_000);
    const credentials = { accessKeyId, secretAccessKey, expiration, ...(sessionToken ? { sessionToken } : {}) };
    this.#known = { credentials, readAt: performance.now() };
    return credentials;
  }

  /** The store refused them: the files may hold others by now. */
  forget(): void {
    this.#known = undefined;
  }

  async #required(name: string): Promise<string> {
    const value = await this.#optional(name);
    if (value) return value;
    const path = join(this.#folder, name);
    throw new StoreError(
      'io',
      `${path} is missing or empty: the folder needs a file of that name with the credentials`,
    );
  }

  async #optional(name: string): Promise<string | undefined> {
    try {
      return (await readFile(join(this.#folder, name), 'utf8')).trim();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw new StoreError('io', `the credentials of the bucket cannot be read: ${messageOf(error)}`);
    }
  }
}
