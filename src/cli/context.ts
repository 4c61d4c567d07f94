import { readFileSync } from 'node:fs';
import type { ReadStream } from 'node:tty';
import { certificatesFor } from '../transfer/http/trust-store.ts';
import type { HostTrust } from '../transfer/http/wire.ts';
import { RegistryClient } from '../transfer/registry/client.ts';
import type { CredentialSource } from '../transfer/registry/credentials.ts';
import type { CredentialStore } from './credentials/store.ts';
import { CliFailure } from './failure.ts';
import { type Progress, progressOn } from './progress/progress.ts';

/** What `main` hands to every command. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream | ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly signal: AbortSignal;
  readonly credentials: CredentialStore;
  readonly authorities: () => readonly string[];
  readonly certificateFolders: readonly string[];
  readonly version: string;
}

/** The options that every command takes. */
export interface GeneralOptions {
  readonly output: 'text' | 'json';
  readonly quiet?: boolean;
  readonly insecure?: boolean;
  readonly plainHttp?: boolean;
  readonly caFile?: string;
}

/** How far the security of a host is loosened. */
export interface Loosening {
  readonly insecure?: boolean;
  readonly plainHttp?: boolean;
}

/** One run of one command: the registries it speaks to, and what it prints. */
export class Context {
  readonly surroundings: Surroundings;
  readonly options: GeneralOptions;
  readonly #clients = new Map<string, RegistryClient>();

  constructor(surroundings: Surroundings, options: GeneralOptions) {
    this.surroundings = surroundings;
    this.options = options;
  }

  get signal(): AbortSignal {
    return this.surroundings.signal;
  }

  /** The client of a registry, made once. `loosening` replaces `--insecure` and `--plain-http`, for `copy` with its two sides. */
  registry(host: string, loosening: Loosening = this.options, credentials?: CredentialSource): RegistryClient {
    const key = `${host} ${loosening.insecure === true} ${loosening.plainHttp === true}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const { surroundings } = this;
    const extra = this.options.caFile === undefined ? [] : [readCertificates(this.options.caFile)];
    const client = new RegistryClient(host, {
      credentials: credentials ?? ((name, repository) => surroundings.credentials.find(name, repository)),
      trust: (name) => trustOf(name === host ? loosening : {}, certificatesFor(name, surroundings.certificateFolders)),
      authorities: () => [...surroundings.authorities(), ...extra],
      proxyEnv: surroundings.env,
      userAgent: `ne-cli/${surroundings.version}`,
    });
    this.#clients.set(key, client);
    return client;
  }

  /** Progress on stderr. */
  progress(): Progress {
    const { stderr } = this.surroundings;
    const tty = stderr.isTTY === true && this.surroundings.env.TERM !== 'dumb';
    return progressOn(stderr, { quiet: this.options.quiet === true, tty });
  }

  /** Prints a result: as JSON, or the lines of `text`. Nothing else is ever written to stdout. */
  print(value: unknown, text: () => string): void {
    const out = this.options.output === 'json' ? JSON.stringify(value, undefined, 2) : text();
    if (out !== '') this.surroundings.stdout.write(`${out}\n`);
  }

  /** Prints one of many results: a line of JSON, or of text. */
  printLine(value: unknown, text: () => string): void {
    const out = this.options.output === 'json' ? JSON.stringify(value) : text();
    if (out !== '') this.surroundings.stdout.write(`${out}\n`);
  }

  /** A remark on stderr. */
  say(line: string): void {
    if (this.options.quiet !== true) this.surroundings.stderr.write(`${line}\n`);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}

function trustOf(loosening: Loosening, certificates: Pick<HostTrust, 'ca' | 'cert' | 'key'>): HostTrust {
  return {
    ...certificates,
    ...(loosening.insecure === true ? { insecure: true } : {}),
    ...(loosening.plainHttp === true ? { plainHttp: true } : {}),
  };
}

function readCertificates(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliFailure(`--ca-file ${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new CliFailure(`--ca-file ${file}: holds no PEM certificate`);
  return text;
}
