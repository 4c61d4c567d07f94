import { createHash, type Hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import { nextTime } from '../domain/schedule.ts';
import { codeOf, Fatal, messageOf } from '../platform/fatal.ts';
import { TrustedProxies } from './auth/callers.ts';
import { type Hashes, parseHtpasswd } from './auth/htpasswd.ts';
import type { OperatorTrust } from './auth/operator-token.ts';
import { readSigningKey, readVerificationKey } from './auth/signing-key.ts';
import type { TokenSettings } from './auth/tokens.ts';
import { Users } from './auth/users.ts';
import { ownFiles, parseDocument, readConfigured } from './config.ts';

/** Where the document comes from: a file that may change, or flags that cannot. */
export type Source = { readonly file: string } | { readonly document: RegistryBootstrap };

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

/** Everything that the configuration and the files it names say, read and checked together; never changed afterwards. */
export interface Settings {
  readonly document: RegistryBootstrap;
  readonly users: Users;
  readonly tokens: TokenSettings;
  readonly operator?: OperatorTrust;
  readonly proxies: TrustedProxies;
  readonly tls?: TlsMaterial;
  /** Parts of the document that differ from what runs and need a restart. */
  readonly held: readonly string[];
  /** Every file that was read, or looked for, and a digest of what they held. */
  readonly files: readonly string[];
  readonly fingerprint: string;
}

/** Puts running values in place of what cannot change without a restart. */
export type Pin = (document: RegistryBootstrap) => Pinned | Promise<Pinned>;

export interface Pinned {
  readonly document: RegistryBootstrap;
  readonly held: readonly string[];
}

/** `service` of a registry that was given no name. */
const defaultService = 'ne-registry';

/**
 * Reads the document and every file that it names.
 * @throws Fatal (usage) naming the file, and the line and key where there is one
 */
export async function readSettings(source: Source, pin: Pin = unpinned): Promise<Settings> {
  const reader = new Reader();
  const { document, held } = await pin('file' in source ? await readDocument(source.file, reader) : source.document);
  checkSchedules(document);
  const users = await readUsers(document, reader);
  const tokens = await readTokenSettings(document, reader);
  const operator = await readOperatorTrust(document, reader);
  const tls = await readTls(document, reader);
  const proxies = checked('trustedProxies', () => new TrustedProxies(document.trustedProxies));
  return {
    document,
    users,
    tokens,
    proxies,
    ...(operator && { operator }),
    ...(tls && { tls }),
    held,
    files: reader.files,
    fingerprint: reader.fingerprint(),
  };
}

const unpinned: Pin = (document) => ({ document, held: [] });

/** The digest that `readSettings` would come to with these files as they are now. */
export async function fingerprintOf(files: readonly string[]): Promise<string> {
  const reader = new Reader();
  for (const file of files) await reader.optional(file, 'the file');
  return reader.fingerprint();
}

/** Reads files and remembers what all of them held, as one digest. */
class Reader {
  readonly files: string[] = [];
  readonly #hash: Hash = createHash('sha256');

  async required(file: string, purpose: string): Promise<Buffer> {
    return this.#note(file, await readConfigured(file, purpose));
  }

  /** Undefined where there is no such file. */
  async optional(file: string, purpose: string): Promise<Buffer | undefined> {
    try {
      return this.#note(file, await readFile(file));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') return this.required(file, purpose);
      this.#note(file, Buffer.alloc(0), 'absent');
      return undefined;
    }
  }

  #note(file: string, content: Buffer, state = 'present'): Buffer {
    this.files.push(file);
    this.#hash.update(`${file}\0${state}\0${content.length}\0`).update(content);
    return content;
  }

  fingerprint(): string {
    return this.#hash.digest('base64');
  }
}

async function readDocument(file: string, reader: Reader): Promise<RegistryBootstrap> {
  const content = await reader.required(file, 'the configuration');
  return parseDocument(content.toString('utf8'), file);
}

/** A schedule that cannot be understood must not be found out at night. */
function checkSchedules({ reclaim, backup }: RegistryBootstrap): void {
  if (reclaim.schedule !== undefined) checked('reclaim.schedule', () => nextTime(reclaim.schedule ?? '', 0));
  if (backup !== undefined) checked('backup.schedule', () => nextTime(backup.schedule, 0));
}

/** The configured files in order, then the one that `admin create-user --data` writes. */
async function readUsers(document: RegistryBootstrap, reader: Reader): Promise<Users> {
  const files: Hashes[] = [];
  const parse = (content: Buffer, file: string) =>
    files.push(checked('', () => parseHtpasswd(content.toString('utf8'), file)));
  for (const file of document.auth.htpasswdFiles) parse(await reader.required(file, 'the htpasswd file'), file);
  const own = ownFiles(document)?.htpasswd;
  const content = own && (await reader.optional(own, 'the htpasswd file'));
  if (own && content) parse(content, own);
  return new Users(files, document.auth.administrators);
}

async function readTokenSettings(document: RegistryBootstrap, reader: Reader): Promise<TokenSettings> {
  const { privateKeyFile, previousPublicKeyFiles, ttlSeconds, service } = document.auth.token;
  const file = privateKeyFile ?? ownFiles(document)?.tokenKey;
  if (file === undefined) throw new Fatal(noTokenKey, { exit: 'usage' });
  const pem = await reader.required(file, 'the token key');
  const key = checked('', () => readSigningKey(pem, file));
  const previous = await readPublicKeys(previousPublicKeyFiles, reader);
  return { key, accepted: [key, ...previous], ttlSeconds, service: service ?? document.host ?? defaultService };
}

async function readOperatorTrust({ admin }: RegistryBootstrap, reader: Reader): Promise<OperatorTrust | undefined> {
  if (admin === undefined) return undefined;
  return { keys: await readPublicKeys(admin.publicKeyFiles, reader), audience: admin.audience };
}

const noTokenKey =
  'auth.token.privateKeyFile is missing: a registry without a data directory, and every replica of it, has to be given the key that signs tokens (openssl genpkey -algorithm ed25519)';

async function readPublicKeys(files: readonly string[], reader: Reader) {
  const keys = [];
  for (const file of files) {
    const pem = await reader.required(file, 'the public key');
    keys.push(checked('', () => readVerificationKey(pem, file)));
  }
  return keys;
}

async function readTls({ tls }: RegistryBootstrap, reader: Reader): Promise<TlsMaterial | undefined> {
  if (tls === undefined) return undefined;
  const cert = await reader.required(tls.certFile, 'the TLS certificate');
  const key = await reader.required(tls.keyFile, 'the TLS key');
  checked(`${tls.certFile} and ${tls.keyFile} are no pair of certificate and key`, () =>
    process.getBuiltinModule('node:tls').createSecureContext({ cert, key }),
  );
  return { cert, key, minVersion: tls.minVersion };
}

/** What is wrong with the content of a file is wrong with the configuration. */
function checked<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Fatal(what === '' ? messageOf(cause) : `${what}: ${messageOf(cause)}`, { exit: 'usage', cause });
  }
}
