/** How the working registry reaches each place of a rule: resolved from Registries and Secrets, and sent beside the spec. */
import type { RuleConnection } from '../../api/rules/connection.ts';
import type { ReplicationRuleConnection } from '../../api/v1alpha1/replication-rule.gen.ts';
import { decode, type Secret } from '../registry/children/secret.ts';
import { Failing } from '../registry/failing.ts';
import { childNames } from '../registry/names.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { dockerConfigKey, type Login, loginFor } from './docker-config.ts';
import { admits, isSame } from './neighbours.ts';
import { type HostPlace, isRegistry, placesOf, type RegistryPlace } from './place.ts';
import type { ReplicationRuleResource } from './resource.ts';
import { answersFor } from './worker.ts';

export interface Surroundings {
  /** The Registry that does the work. */
  readonly worker: RegistryResource;
  readonly registry: (namespace: string, name: string) => RegistryResource | undefined;
  /** Reads one Secret by its name: the operator neither lists nor watches them. */
  readonly secret: (namespace: string, name: string) => Promise<Secret | undefined>;
}

/** In a fixed order. Throws Failing where a Registry or a Secret is missing. */
export async function connectionsOf(
  rule: ReplicationRuleResource,
  surroundings: Surroundings,
): Promise<RuleConnection[]> {
  const namespace = rule.metadata.namespace ?? '';
  const given = rule.spec.connections ?? [];
  const connections: RuleConnection[] = [];
  for (const connection of given) connections.push(await toHost(connection, namespace, surroundings));
  for (const place of placesOf(rule.spec, namespace)) {
    if (isRegistry(place)) connections.push(await toRegistry(place, namespace, surroundings));
    else if (isWorker(place, given, surroundings)) connections.push({ host: place.host, self: true });
  }
  return connections;
}

/** Who says how a host is to be reached wants it reached that way, also where it is the registry's own. */
function isWorker({ host }: HostPlace, given: readonly ReplicationRuleConnection[], { worker }: Surroundings): boolean {
  return answersFor(worker, host) && !given.some((each) => each.host.toLowerCase() === host);
}

async function toHost(
  { host, secretRef, caBundle, insecure, proxy }: ReplicationRuleConnection,
  namespace: string,
  { secret }: Surroundings,
): Promise<RuleConnection> {
  return {
    host: host.toLowerCase(),
    ...(secretRef && login(await secret(namespace, secretRef.name), { namespace, name: secretRef.name, host })),
    ...(caBundle === undefined ? {} : { ca: caBundle }),
    ...(insecure === true ? { insecure } : {}),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

/** Credentials go to the host that they are kept for in the Secret: a rule cannot have them sent elsewhere. */
function login(
  secret: Secret | undefined,
  { namespace, name, host }: { namespace: string; name: string; host: string },
): Login {
  const title = `Secret ${namespace}/${name}, which spec.connections names for ${host},`;
  if (secret === undefined) {
    throw new Failing('SecretMissing', `${title} does not exist: create it with type kubernetes.io/dockerconfigjson`);
  }
  const text = decode(secret)[dockerConfigKey];
  if (text === undefined) {
    throw new Failing(
      'SecretMissing',
      `${title} has no "${dockerConfigKey}": make it of type kubernetes.io/dockerconfigjson`,
    );
  }
  const found = loginFor(text, host);
  if (typeof found === 'string') throw new Failing('SecretInvalid', `${title} cannot be used: ${found}`);
  return found;
}

async function toRegistry(
  place: RegistryPlace,
  namespace: string,
  { worker, registry: find, secret }: Surroundings,
): Promise<RuleConnection> {
  const registry = find(place.namespace, place.name);
  // One answer for both: whoever may not name a Registry does not learn whether it exists.
  if (registry === undefined || registry.metadata.deletionTimestamp !== undefined || !admits(registry, namespace)) {
    throw new Failing('RegistryNotFound', missing(place, namespace));
  }
  const host = registry.spec.host.toLowerCase();
  if (isSame(registry, worker)) return { registry: place.registry, host, self: true };
  const title = `Registry ${place.namespace}/${place.name}`;
  const { internalURL, caBundle } = registry.status ?? {};
  if (internalURL === undefined) {
    throw new Failing('RegistryNotReady', `${title}, which the rule names, is not set up yet: see its conditions`);
  }
  const user = decode(await secret(place.namespace, childNames(place.name).replicationUser));
  if (!user.username || !user.password) {
    throw new Failing('CredentialsPending', `${title} has no user for replication yet; the operator makes one`);
  }
  return {
    registry: place.registry,
    host,
    address: addressOf(internalURL),
    username: user.username,
    password: user.password,
    ...(caBundle === undefined ? {} : { ca: caBundle }),
    ...(internalURL.startsWith('http:') ? { insecure: true } : {}),
  };
}

function missing({ registry, name, namespace: where }: RegistryPlace, namespace: string): string {
  const title = `there is no Registry ${where}/${name}, which registry://${registry} names`;
  if (where === namespace) return `${title}: create it, or correct the rule`;
  return `${title}, or it does not admit rules of other namespaces: its annotation ne-registry.io/replication-namespaces must list ${namespace}`;
}

/** `https://main.team.svc` → `main.team.svc:443` */
function addressOf(internalURL: string): string {
  const { hostname, port, protocol } = new URL(internalURL);
  return `${hostname}:${port === '' ? (protocol === 'http:' ? 80 : 443) : port}`;
}
