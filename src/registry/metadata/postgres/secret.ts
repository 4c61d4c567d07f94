import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError } from '../store.ts';

export type Tls = 'VerifyFull' | 'VerifyCa' | 'Require' | 'Disable';

/** How to reach a database: what a connection needs, read from files each time because passwords rotate. */
export interface Access {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** Only where the `uri` says so. */
  readonly tls?: Tls;
  /** False where any server will do, one that only reads included. */
  readonly writable: boolean;
}

const KEYS = ['uri', 'host', 'port', 'dbname', 'username', 'user', 'password'] as const;
type Keys = Partial<Record<(typeof KEYS)[number], string>>;

/**
 * Reads the keys of CloudNativePG's application Secret, one file each. Single keys fill in what the `uri` leaves out.
 * @throws StoreError that names what is missing or wrong, never its value
 */
export async function readSecret(directory: string): Promise<Access> {
  const keys: Keys = {};
  for (const key of KEYS) {
    const text = await readKey(directory, key);
    if (text !== undefined) keys[key] = text;
  }
  const wrong = (what: string) => new StoreError('io', `the PostgreSQL secret in ${directory} ${what}`);
  const access = accessOf(keys, wrong);
  if (access.user === '') throw wrong('names no user: give it the key `username`, or a `uri` with one');
  if (access.database === '') throw wrong('names no database: give it the key `dbname`, or a `uri` with one');
  return access;
}

async function readKey(directory: string, key: string): Promise<string | undefined> {
  try {
    return (await readFile(join(directory, key), 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new StoreError('io', `the PostgreSQL secret ${join(directory, key)} cannot be read: ${message}`);
  }
}

function accessOf(keys: Keys, wrong: (what: string) => StoreError): Access {
  const { uri, host, port, dbname = '', username, user, password = '' } = keys;
  const single = { database: dbname, user: username ?? user ?? '', password };
  if (uri === undefined) {
    if (host === undefined) throw wrong('holds neither `uri` nor `host`; is it mounted, and the right one?');
    return { ...single, hosts: hostsOf(port === undefined ? host : `${host}:${port}`, wrong), writable: true };
  }
  const parsed = parseUri(uri, wrong);
  return {
    ...parsed,
    database: parsed.database || single.database,
    user: parsed.user || single.user,
    password: parsed.password || single.password,
  };
}

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS: several hosts, which `URL` does not take. */
function parseUri(uri: string, wrong: (what: string) => StoreError): Access {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(uri);
  if (match === null) throw wrong('has a `uri` that is none: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE');
  const [, credentials = '', hosts = '', database = '', query = ''] = match;
  const [user = '', ...rest] = credentials.split(':');
  const parameters = new URLSearchParams(query);
  const tls = tlsOf(parameters.get('sslmode'), wrong);
  try {
    return {
      hosts: hostsOf(hosts, wrong),
      database: decodeURIComponent(database),
      user: decodeURIComponent(user),
      password: decodeURIComponent(rest.join(':')),
      ...(tls === undefined ? {} : { tls }),
      writable: !['any', 'prefer-standby'].includes(parameters.get('target_session_attrs') ?? 'read-write'),
    };
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw wrong('has a `uri` with a broken percent-encoding');
  }
}

function hostsOf(list: string, wrong: (what: string) => StoreError): Access['hosts'] {
  return list.split(',').map((entry) => {
    const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(entry.trim());
    if (match === null) throw wrong('has a `uri` or `host` without a host name; sockets are not taken');
    return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2] ?? 5432) };
  });
}

function tlsOf(sslmode: string | null, wrong: (what: string) => StoreError): Tls | undefined {
  switch (sslmode) {
    case null:
      return undefined;
    case 'disable':
      return 'Disable';
    // What may fall back to plain text in libpq does not here.
    case 'allow':
    case 'prefer':
    case 'require':
      return 'Require';
    case 'verify-ca':
      return 'VerifyCa';
    case 'verify-full':
      return 'VerifyFull';
    default:
      throw wrong('has a `uri` with an unknown `sslmode`: expected disable, require, verify-ca or verify-full');
  }
}
