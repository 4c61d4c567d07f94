/**
 * The Secrets of a Registry. They are read by name at each reconcile, because the operator neither lists nor watches
 * Secrets; what cannot be made again (keys, passwords, the authority) is created once and then only kept in shape.
 */
import { createHash } from 'node:crypto';
import type { KubeClient } from '../kube/client.ts';
import { ensure } from '../kube/ensure.ts';
import { isAlreadyExists } from '../kube/error.ts';
import { refOf } from '../kube/object.ts';
import { completeAdministrator, completeReplicationUser, type MadeUser } from './administrator.ts';
import { uidOf } from './apply.ts';
import { decode, renderAdministrator, renderKeys, renderReplicationUser, type Secret } from './children/secret.ts';
import { mountedSecrets } from './children/volumes.ts';
import { Failing } from './failing.ts';
import { generateKeys, type RegistryKeys, readKeys } from './keys.ts';
import type { RegistryComponent } from './names.ts';
import { isOurs, refuseForeign } from './ownership.ts';
import type { Site } from './site.ts';

export type Values = Readonly<Record<string, string>>;

/** Reads a Secret in the Registry's namespace. */
export function readSecret(client: KubeClient, site: Site, name: string): Promise<Secret | undefined> {
  return client.get<Secret>({ apiVersion: 'v1', kind: 'Secret', name, namespace: site.namespace });
}

export interface KeptSecret {
  readonly name: string;
  readonly render: (site: Site, values: Values) => Secret;
  /** The values it must have, given those that are there; the same where nothing is to be done. */
  readonly complete: (values: Values, exists: boolean) => Promise<Values>;
}

/**
 * Makes a Secret hold what `complete` says. The first write is a create: of two operators that both found nothing, one
 * wins, and the other keeps what the winner made.
 */
export async function keepSecret(client: KubeClient, site: Site, secret: KeptSecret): Promise<Values> {
  let live = await readSecret(client, site, secret.name);
  if (live === undefined) {
    const values = await secret.complete({}, false);
    try {
      live = await client.create(secret.render(site, values));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      live = await readSecret(client, site, secret.name);
    }
  }
  refuseForeign(site, live);
  const values = await secret.complete(decode(live), true);
  await ensure(client, secret.render(site, values), live);
  return values;
}

/** The Registry's keys; throws Failing where the Secret is there and damaged: making new ones could hide a mistake. */
export async function keepKeys(client: KubeClient, site: Site): Promise<RegistryKeys> {
  const name = site.names.keys;
  const values = await keepSecret(client, site, {
    name,
    render: renderKeys,
    complete: async (found, exists) => {
      if (!exists) return { ...generateKeys() };
      const keys = readKeys(found);
      if (!('damaged' in keys)) return { ...keys };
      throw new Failing(
        'KeysDamaged',
        `Secret ${site.namespace}/${name} has no usable "${keys.damaged}": restore it, or delete the Secret to have new keys made`,
      );
    },
  });
  return values as unknown as RegistryKeys;
}

/**
 * The first administrator's Secret. Its htpasswd is the file that the pod reads, and holds `others` too: so a user who comes
 * or goes changes no pod.
 * @param others htpasswd lines of further users
 */
export async function keepAdministrator({ client, site, checked }: UserContext, others: string): Promise<void> {
  await keepSecret(client, site, {
    name: site.names.administrator,
    render: renderAdministrator,
    complete: async (found) => {
      const own = { ...found, htpasswd: firstLine(found.htpasswd) };
      const made = await onceChecked(checked, `${site.namespace}/${site.name}`, {
        found: own,
        complete: completeAdministrator,
      });
      return { ...made, htpasswd: made.htpasswd + others };
    },
  });
}

/**
 * The user that other Registries of the cluster come as, while a ReplicationRule has one of them reach this one; no longer.
 * Gives its htpasswd line, or nothing.
 */
export async function keepReplicationUser({ client, site, checked }: UserContext): Promise<string> {
  const name = site.names.replicationUser;
  if (site.replicated !== true) {
    const live = await readSecret(client, site, name);
    if (live !== undefined && isOurs(site, live)) await client.delete(refOf(live), uidOf(live));
    return '';
  }
  const { htpasswd = '' } = await keepSecret(client, site, {
    name,
    render: renderReplicationUser,
    complete: async (found) => ({
      ...(await onceChecked(checked, `${site.namespace}/${name}`, { found, complete: completeReplicationUser })),
    }),
  });
  return htpasswd;
}

export interface UserContext {
  readonly client: KubeClient;
  readonly site: Site;
  /** What was last found to fit, by Secret. */
  readonly checked: Map<string, string>;
}

/** Comparing a bcrypt hash takes some 60 ms: done once for what has not changed since. */
async function onceChecked(
  checked: Map<string, string>,
  key: string,
  { found, complete }: { found: Values; complete: (values: Values) => Promise<MadeUser> },
): Promise<MadeUser> {
  const { username = '', password = '', htpasswd = '' } = found;
  if (checked.get(key) === fingerprint(`${username}\n${password}\n${htpasswd}`))
    return { username, password, htpasswd };
  const made = await complete(found);
  checked.set(key, fingerprint(`${made.username}\n${made.password}\n${made.htpasswd}`));
  return made;
}

function firstLine(htpasswd: string | undefined): string {
  const [line = ''] = (htpasswd ?? '').split('\n');
  return line === '' ? '' : `${line}\n`;
}

/** Throws Failing unless every Secret that the spec names is there and has the keys that it is named for. */
export async function requireSecrets(client: KubeClient, site: Site): Promise<void> {
  for (const { name, field, keys, orElse } of namedSecrets(site)) {
    const secret = await readSecret(client, site, name);
    const required = orElse !== undefined && secret?.data?.[orElse] ? [orElse] : keys;
    requireKeys({ title: `${site.namespace}/${name}`, field, keys: required }, secret);
  }
}

const bucketKeys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const databaseKeys = ['host', 'dbname', 'username', 'password'];

/** The Secrets that the spec names, the field that does, and the keys that they need; or the one key that does as well. */
function namedSecrets({ spec }: Site) {
  const { auth, storage, metadata, backup, image } = spec;
  const found: { name: string | undefined; field: string; keys: readonly string[]; orElse?: string }[] = [
    { name: auth?.htpasswd?.secretRef.name, field: 'spec.auth.htpasswd.secretRef', keys: ['htpasswd'] },
    { name: storage?.s3?.secretRef?.name, field: 'spec.storage.s3.secretRef', keys: bucketKeys },
    {
      name: metadata?.postgres?.secretRef.name,
      field: 'spec.metadata.postgres.secretRef',
      keys: databaseKeys,
      orElse: 'uri',
    },
    { name: backup?.target.s3?.secretRef?.name, field: 'spec.backup.target.s3.secretRef', keys: bucketKeys },
    ...(image?.pullSecrets ?? []).map(({ name }) => ({
      name,
      field: 'spec.image.pullSecrets',
      keys: ['.dockerconfigjson'],
    })),
  ];
  return found.flatMap(({ name, ...rest }) => (name === undefined ? [] : [{ name, ...rest }]));
}

export interface NamedSecret {
  /** `namespace/name` */
  readonly title: string;
  /** What of the spec names it. */
  readonly field: string;
  readonly keys: readonly string[];
}

/** Throws Failing, naming Secret, key and field, unless `secret` has all the keys that it is named for. */
export function requireKeys({ title: of, field, keys }: NamedSecret, secret: Secret | undefined): void {
  const title = `Secret ${of}`;
  if (secret === undefined) {
    const wanted = keys.map((key) => `"${key}"`).join(' and ');
    throw new Failing('SecretMissing', `${title}, which ${field} names, does not exist: create it with ${wanted}`);
  }
  const missing = keys.filter((key) => !secret.data?.[key]);
  if (missing.length === 0) return;
  const named = missing.map((key) => `"${key}"`).join(' and ');
  throw new Failing('SecretMissing', `${title}, which ${field} names, has no ${named}: add what is missing to it`);
}

/**
 * Changes whenever a Secret that the pod mounts does: a pod that carries an older value is told to look again, which
 * brings new certificates and settings to it within seconds rather than a minute.
 */
export async function mountedVersion(client: KubeClient, site: Site, component: RegistryComponent): Promise<string> {
  const versions = await Promise.all(
    mountedSecrets(site, component).map(async ({ secretName, keys }) => {
      const { data } = (await readSecret(client, site, secretName)) ?? {};
      return (keys ?? Object.keys(data ?? {}).sort()).map((key) => data?.[key] ?? '').join(',');
    }),
  );
  return fingerprint(versions.join(';')).slice(0, 16);
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
