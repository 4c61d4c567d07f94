import type { Advice } from '../advice.ts';
import { isTransferError, TransferError } from '../errors.ts';
import { hostnameOf, isLoopback } from '../http/address.ts';
import type { Challenge } from '../http/challenge.ts';
import { readBody, type Wire } from '../http/wire.ts';
import { answerFault, printable } from './answer-fault.ts';
import { basicAuthorization, type CredentialSource, type Credentials } from './credentials.ts';
import { credentialsForRealm } from './realm.ts';

export interface AuthenticatorOptions {
  readonly wire: Wire;
  /** The name that credentials are kept under, which for Docker Hub is not the host that is asked. */
  readonly host: string;
  readonly credentials: CredentialSource;
  readonly clientId: string;
  readonly advice: Advice;
}

interface Token {
  readonly value: string;
  readonly renewAtMs: number;
}

interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
}

/** Docker token authentication and Basic for one registry. Tokens are kept per set of scopes until shortly before they end. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #tokens = new Map<string, Promise<Token>>();
  #challenge: Challenge | undefined;
  #base: URL | undefined;
  #verified = false;
  #withheldFrom: string | undefined;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Notes how the registry wants to be spoken to. `base` is its origin as it was reached. */
  learn(challenges: readonly Challenge[], base: URL, verified: boolean): void {
    this.#base = base;
    this.#verified = verified;
    this.#challenge =
      challenges.find((one) => one.scheme === 'bearer') ??
      challenges.find((one) => one.scheme === 'basic') ??
      this.#challenge;
  }

  /** The `Authorization` header for a request that needs `scopes`, or undefined to ask anonymously. */
  async authorization(scopes: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined;
    const credentials = await this.#credentials(scopes);
    if (this.#challenge.scheme === 'basic') return basicAuthorization(credentials);
    if (credentials?.registryToken !== undefined) return `Bearer ${credentials.registryToken}`;
    return `Bearer ${(await this.#token(scopes, credentials, signal)).value}`;
  }

  /** Whether there are credentials that nobody has asked for yet. */
  async canSignIn(scopes: readonly string[]): Promise<boolean> {
    if (this.#challenge !== undefined) return false;
    const { username, identityToken, registryToken } = (await this.#credentials(scopes)) ?? {};
    return username !== undefined || identityToken !== undefined || registryToken !== undefined;
  }

  /** The token endpoint that was asked without credentials although there are some: see `credentialsForRealm`. */
  get withheldFrom(): string | undefined {
    return this.#withheldFrom;
  }

  /** Forgets a token that was refused, so that the next request fetches another. */
  forget(scopes: readonly string[]): void {
    this.#tokens.delete(keyOf(scopes));
  }

  async #credentials(scopes: readonly string[]): Promise<Credentials | undefined> {
    const repository = /^repository:([^:]+):/.exec(scopes[0] ?? '')?.[1];
    return await this.#options.credentials(this.#options.host, repository);
  }

  async #token(scopes: readonly string[], credentials: Credentials | undefined, signal: AbortSignal): Promise<Token> {
    const key = keyOf(scopes);
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await known.catch(() => undefined);
      if (token !== undefined && token.renewAtMs > Date.now()) return token;
      if (this.#tokens.get(key) !== known) return await this.#token(scopes, credentials, signal);
    }
    const fetched = this.#fetchToken(scopes, credentials, signal);
    this.#tokens.set(key, fetched);
    fetched.catch(() => {
      if (this.#tokens.get(key) === fetched) this.#tokens.delete(key);
    });
    return await fetched;
  }

  async #fetchToken(
    scopes: readonly string[],
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<Token> {
    const base = this.#base as URL;
    const parameters = this.#challenge?.parameters ?? {};
    const realm = this.#realm(parameters.realm, base);
    const given = await this.#credentialsForRealm(realm, base, credentials);
    const request: TokenRequest = { realm, service: parameters.service, scopes };
    const answer = await this.#options.wire.exchange({
      ...tokenExchange(request, given, this.#options.clientId),
      signal,
      outwardOnly: hostnameOf(realm.host) !== hostnameOf(base.host) && !isLoopback(base.host),
    });
    if (answer.status !== 200)
      throw await this.#tokenRefused(await answerFault(answer, `get a token for ${this.#options.host}`), given);
    return tokenOf(await readBody(answer, 1_048_576), realm);
  }

  #realm(text: string | undefined, base: URL): URL {
    const realm = text === undefined ? null : URL.parse(text, base);
    if (realm === null) throw new TransferError('Invalid', `${base.host}: its challenge names no usable token realm`);
    return realm;
  }

  async #credentialsForRealm(
    realm: URL,
    base: URL,
    credentials: Credentials | undefined,
  ): Promise<Credentials | undefined> {
    const own = realm.host === base.host ? undefined : await this.#options.credentials(realm.host);
    const whose = credentialsForRealm({
      registry: base,
      verified: this.#verified,
      realm,
      realmHasCredentials: own !== undefined,
    });
    if (whose === 'refuse') {
      throw new TransferError(
        'Refused',
        `${base.host}: its challenge points to ${printable(realm.origin)}, which a registry there may not name; nothing was sent`,
      );
    }
    this.#withheldFrom = whose === 'nobody' && credentials !== undefined ? realm.origin : undefined;
    return { registry: credentials, realm: own, nobody: undefined }[whose];
  }

  #tokenRefused(fault: TransferError, given: Credentials | undefined): TransferError {
    if (!isTransferError(fault, 'Unauthorized') && !isTransferError(fault, 'Denied')) return fault;
    const who =
      given?.username === undefined
        ? 'no credentials were sent'
        : `the credentials of ${JSON.stringify(given.username)} were refused`;
    return new TransferError(
      'Unauthorized',
      `${this.#options.host}: ${who}; ${this.#options.advice.login(this.#options.host)}`,
      {
        ...(fault.status === undefined ? {} : { status: fault.status }),
        codes: fault.codes,
        cause: fault,
      },
    );
  }
}

function tokenExchange({ realm, service, scopes }: TokenRequest, given: Credentials | undefined, clientId: string) {
  if (given?.identityToken !== undefined) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: given.identityToken,
      client_id: clientId,
    });
    if (service !== undefined) form.set('service', service);
    if (scopes.length > 0) form.set('scope', scopes.join(' '));
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
    return { method: 'POST', url: realm, headers, body: Buffer.from(form.toString()) };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const authorization = basicAuthorization(given);
  return {
    method: 'GET',
    url,
    headers: { accept: 'application/json', ...(authorization === undefined ? {} : { authorization }) },
  };
}

function tokenOf(body: Buffer, realm: URL): Token {
  let parsed: { token?: unknown; access_token?: unknown; expires_in?: unknown };
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    parsed = {};
  }
  const value = typeof parsed?.token === 'string' && parsed.token !== '' ? parsed.token : parsed?.access_token;
  if (typeof value !== 'string' || value === '' || /[^\x21-\x7e]/.test(value)) {
    throw new TransferError('Invalid', `${realm.host}: the token endpoint answered without a token`);
  }
  // Docker's token specification: 60 seconds where nothing is said. Renewed with a fifth of its life to go.
  const seconds = typeof parsed.expires_in === 'number' && parsed.expires_in > 0 ? parsed.expires_in : 60;
  return { value, renewAtMs: Date.now() + seconds * 800 };
}

function keyOf(scopes: readonly string[]): string {
  return [...scopes].sort().join(' ');
}
