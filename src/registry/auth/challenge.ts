import type { Caller } from './contract.ts';

const authorityPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** Whether a Host header can stand in a realm: `host[:port]` and nothing that would end the quoted string. */
export function isAuthority(text: string): boolean {
  return text.length <= 261 && authorityPattern.test(text);
}

export interface ChallengeOptions {
  readonly service: string;
  readonly scope?: string | undefined;
  /** RFC 6750 §3.1: `invalid_token` or `insufficient_scope`. */
  readonly error?: string | undefined;
}

/**
 * `WWW-Authenticate` of Docker token authentication. The realm has the authority that the client itself asked for, because
 * a registry has several names: nodes reach it under another one than people do.
 */
export function bearerChallenge(
  { authority, secure }: Pick<Caller, 'authority' | 'secure'>,
  options: ChallengeOptions,
): string {
  const parameters = {
    realm: `${secure ? 'https' : 'http'}://${authority}/token`,
    service: options.service,
    scope: options.scope,
    error: options.error,
  };
  const written = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${quoted(value)}`],
  );
  return `Bearer ${written.join(',')}`;
}

/** Where only a password helps: the token endpoint and the admin API. */
export const basicChallenge = 'Basic realm="ne-registry", charset="UTF-8"';

function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '').replace(/[\\"]/g, '\\$&')}"`;
}
