/** What a user has for one registry host. At most one of the three kinds is used: token, identity token, password. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** An OAuth2 refresh token. */
  readonly identityToken?: string;
  /** A bearer token that is sent as it is. */
  readonly registryToken?: string;
}

/** Finds the credentials of a host (`name[:port]`), of one repository there where they are that fine. */
export type CredentialSource = (host: string, repository?: string) => Promise<Credentials | undefined>;

/** `Basic …`, or undefined where there is no password. */
export function basicAuthorization(credentials: Credentials | undefined): string | undefined {
  if (credentials?.username === undefined || credentials.password === undefined) return undefined;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`, 'utf8').toString('base64')}`;
}
