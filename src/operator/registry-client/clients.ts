/** Finds out how the operator reaches the Registries of its cluster: their pods' addresses, its key, whom to trust. */
import type { Cached } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import { decode } from '../registry/children/secret.ts';
import { isReady, living, type Pod } from '../registry/health.ts';
import { readSecret } from '../registry/materials.ts';
import { childSelector, componentLabel, registryLabel } from '../registry/names.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { type Site, siteOf } from '../registry/site.ts';
import { type Ask, type RegistryClient, RegistryUnreachable, registryClient } from './client.ts';
import { type AdminTarget, askAdmin } from './request.ts';

/** What the clients need of the pods' cache: `{ labelSelector: childSelector }`. */
export const podSelector = childSelector;

export interface RegistryClientsOptions {
  readonly client: Pick<KubeClient, 'get'>;
  readonly pods: Pick<Cached<Pod>, 'list'>;
  /** Milliseconds for which the Secrets that were read count as known; 10 s by default. */
  readonly knownForMs?: number;
  readonly ask?: Ask;
}

/** Gives the client of a Registry's admin API. */
export type ClientOf = (registry: RegistryResource) => RegistryClient;

type Access = Pick<AdminTarget, 'key' | 'audience' | 'trusted'>;

/** Reads two Secrets for a Registry, and again when they may have changed. */
export function registryClients({
  client,
  pods,
  knownForMs = 10_000,
  ask = askAdmin,
}: RegistryClientsOptions): ClientOf {
  const known = new Map<string, { until: number; access: Promise<Access> }>();
  const accessOf = (site: Site): Promise<Access> => {
    const key = `${site.namespace}/${site.name}/${site.registry.metadata.uid}`;
    const now = performance.now();
    const found = known.get(key);
    if (found !== undefined && found.until > now) return found.access;
    for (const [each, { until }] of known) if (until <= now) known.delete(each);
    const access = readAccess(client as KubeClient, site);
    known.set(key, { until: now + knownForMs, access });
    access.catch(() => known.delete(key));
    return access;
  };
  return (registry) => {
    const site = siteOf({ registry, defaultImage: '' });
    const targets = async (): Promise<AdminTarget[]> => {
      const access = await accessOf(site);
      return addresses(pods, site).map((address) => ({ ...access, address }));
    };
    return registryClient(targets, ask);
  };
}

async function readAccess(client: KubeClient, site: Site): Promise<Access> {
  const { 'admin.key': key } = decode(await readSecret(client, site, site.names.keys));
  if (key === undefined) throw new RegistryUnreachable('the Registry has no keys yet');
  const audience = `${site.namespace}/${site.name}`;
  if (site.certificateSecret === undefined) return { key, audience, trusted: undefined };
  const served = decode(await readSecret(client, site, site.certificateSecret));
  const { caBundle } = site.registry.status ?? {};
  const trusted = [served['tls.crt'], served['ca.crt'], caBundle].filter(Boolean).join('\n');
  if (trusted === '') throw new RegistryUnreachable('the Registry has no certificate yet');
  return { key, audience, trusted };
}

function addresses(pods: Pick<Cached<Pod>, 'list'>, site: Site): string[] {
  const own = pods.list(site.namespace).filter(({ metadata: { labels } }) => {
    return labels?.[registryLabel] === site.name && labels[componentLabel] === 'registry';
  });
  return living(own).flatMap((pod) => (isReady(pod) && pod.status?.podIP ? [pod.status.podIP] : []));
}
