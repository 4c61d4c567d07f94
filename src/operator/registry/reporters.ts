/**
 * What other clusters need to tell this Registry what they run: a Secret for each, to be carried there and named to the
 * operator there (`--report-to`). Its token is good for that one thing, and only while the cluster is listed.
 */
import { createPrivateKey } from 'node:crypto';
import { SignJWT } from 'jose';
import type { KubeClient } from '../kube/client.ts';
import { ensure } from '../kube/ensure.ts';
import { refOf } from '../kube/object.ts';
import { uidOf } from './apply.ts';
import { encode, type Secret } from './children/secret.ts';
import { clustersOf, localCluster, reportInterval } from './in-use.ts';
import { readSecret } from './materials.ts';
import { isOurs, refuseForeign } from './ownership.ts';
import { owned, type Site } from './site.ts';

/** As `status.reporters[]` has it. */
export interface Reporter {
  readonly cluster: string;
  readonly secretName: string;
}

export interface ReporterMaterials {
  /** PKCS#8 PEM of the operator's key. */
  readonly key: string;
  /** What clients must trust, PEM; undefined where the certificate comes from elsewhere. */
  readonly bundle: string | undefined;
}

/** What was last seen to be in shape, by `namespace/name` of the Secret: hundreds are not read at every reconcile. */
export type ReporterMemory = Map<string, { readonly text: string; readonly until: number }>;

const seenForMs = 300_000;

/** Keeps a Secret for each cluster that is listed, and removes those of clusters that were. Gives those that there are. */
export async function keepReporters(
  client: KubeClient,
  site: Site,
  materials: ReporterMaterials,
  memory: ReporterMemory,
): Promise<Reporter[]> {
  const reporters = reportersOf(site);
  for (const reporter of reporters) await keep(client, { site, reporter, materials, memory });
  const kept = new Set(reporters.map(({ secretName }) => secretName));
  // Secrets are not listed: those that there were are in the status.
  for (const { secretName } of site.registry.status?.reporters ?? []) {
    if (!kept.has(secretName)) await remove(client, site, secretName);
  }
  return reporters;
}

function reportersOf({ name, spec }: Site): Reporter[] {
  return clustersOf(spec)
    .filter((cluster) => cluster !== localCluster)
    .map((cluster) => ({ cluster, secretName: `${name}-reporter-${cluster}` }));
}

interface Keeping {
  readonly site: Site;
  readonly reporter: Reporter;
  readonly materials: ReporterMaterials;
  readonly memory: ReporterMemory;
}

async function keep(client: KubeClient, { site, reporter, materials, memory }: Keeping): Promise<void> {
  const values = {
    url: site.url,
    cluster: reporter.cluster,
    token: await reporterToken(site, reporter.cluster, materials.key),
    interval: String(reportInterval(site.spec)),
    ...(materials.bundle === undefined ? {} : { 'ca.crt': materials.bundle }),
  };
  const place = `${site.namespace}/${reporter.secretName}`;
  const text = JSON.stringify([site.registry.metadata.uid, values]);
  const seen = memory.get(place);
  const now = performance.now();
  if (seen?.text === text && seen.until > now) return;
  const live = await readSecret(client, site, reporter.secretName);
  refuseForeign(site, live);
  await ensure(client, renderReporter(site, reporter, values), live);
  memory.set(place, { text, until: now + seenForMs });
}

function renderReporter(site: Site, { secretName }: Reporter, values: Readonly<Record<string, string>>): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: owned(site, secretName),
    type: 'Opaque',
    data: encode(values),
  };
}

/** The same token each time, so that a Secret that is in shape is not written: it has no end, and begins with the Registry. */
function reporterToken(site: Site, cluster: string, key: string): Promise<string> {
  const made = Date.parse(site.registry.metadata.creationTimestamp ?? '1970-01-01T00:00:00Z');
  return new SignJWT({ use: 'inventory' })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('ne-registry-operator')
    .setSubject(`cluster:${cluster}`)
    .setAudience(`${site.namespace}/${site.name}`)
    .setIssuedAt(Math.floor(made / 1000))
    .sign(createPrivateKey(key));
}

async function remove(client: KubeClient, site: Site, name: string): Promise<void> {
  const live = await readSecret(client, site, name);
  if (live !== undefined && isOurs(site, live)) await client.delete(refOf(live), uidOf(live));
}
