/** What a Secret of type kubernetes.io/dockerconfigjson holds for one host. Pure. */
import { isJsonObject } from '../../domain/json.ts';

export const dockerConfigKey = '.dockerconfigjson';

export interface Login {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
}

/** Docker Hub goes by several names. */
const hub = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * The credentials for `host`, and for no other. A string says in words for people what is wrong, without repeating any of the
 * contents, which are secret.
 */
export function loginFor(text: string, host: string): Login | string {
  const auths = authsOf(text);
  if (auths === undefined) return `"${dockerConfigKey}" is no JSON object with "auths"`;
  const entry = entryFor(auths, host.toLowerCase());
  if (entry === undefined) return `it has no entry for ${host}`;
  const token = textOf(entry.identitytoken);
  if (token !== undefined) return { identityToken: token };
  return (
    passwordOf(entry) ?? `its entry for ${host} has neither "auth", nor "username" and "password", nor "identitytoken"`
  );
}

function authsOf(text: string): Record<string, unknown> | undefined {
  try {
    const config: unknown = JSON.parse(text);
    return isJsonObject(config) && isJsonObject(config.auths) ? config.auths : undefined;
  } catch {
    // The parser's message would quote the text.
    return undefined;
  }
}

function entryFor(auths: Record<string, unknown>, host: string): Record<string, unknown> | undefined {
  const wanted = hub.includes(host) ? hub : [host];
  const key = Object.keys(auths).find((each) => wanted.includes(plainHost(each)));
  const entry = key === undefined ? undefined : auths[key];
  return isJsonObject(entry) ? entry : undefined;
}

/** `https://index.docker.io/v1/` is how Docker writes a host. */
function plainHost(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/(v1|v2)?\/?$/, '')
    .toLowerCase();
}

function passwordOf(entry: Record<string, unknown>): Login | undefined {
  const username = textOf(entry.username);
  const password = textOf(entry.password);
  if (username !== undefined && password !== undefined) return { username, password };
  const auth = textOf(entry.auth);
  if (auth === undefined) return undefined;
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 1) return undefined;
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
