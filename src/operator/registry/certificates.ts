/** The certificate that a Registry serves: the user's own, or one that the operator's authority signs. */
import type { KubeClient } from '../kube/client.ts';
import { ensure } from '../kube/ensure.ts';
import { decode, renderAuthority, renderCertificate, type Secret } from './children/secret.ts';
import { Failing } from './failing.ts';
import { keepSecret, readSecret, requireKeys } from './materials.ts';
import { serviceNames } from './names.ts';
import { refuseForeign } from './ownership.ts';
import type { Site } from './site.ts';
import { type Authority, advance, bundle, readAuthority, writeAuthority } from './tls/authority.ts';
import { complaint, covers, inspect, signedBy } from './tls/inspect.ts';
import { issueServerCertificate } from './tls/issue.ts';
import { isDue, leafLife, leafReason, validity } from './tls/rotation.ts';

/** What a client asks for that comes through `kubectl port-forward` or a port that a local cluster maps. */
const forwarded = ['localhost', '127.0.0.1', '::1'];

export interface Served {
  /** The certificate chain that the pod serves, PEM. */
  readonly certificate: string;
  /** What clients must trust, PEM; undefined where the certificate comes from elsewhere without its authority. */
  readonly bundle: string | undefined;
  readonly expires: Date;
  /** What was made just now and why, for events. */
  readonly news: readonly string[];
  /** Names that clients use and the user's certificate does not cover; ours covers all. */
  readonly uncovered: readonly string[];
}

export interface CertificateRequest {
  readonly client: KubeClient;
  readonly site: Site;
  /** Addresses under which nodes reach the registry. */
  readonly nodeAddresses: readonly string[];
  readonly now: Date;
}

/** Sees to it that there is a certificate to serve; undefined where TLS is off. Throws Failing where there can be none. */
export async function keepCertificate(request: CertificateRequest): Promise<Served | undefined> {
  const { site } = request;
  if (site.tls === 'Disabled') return undefined;
  return site.tls === 'Secret' ? await usersCertificate(request) : await ownCertificate(request);
}

/**
 * Renews the operator's own certificate where it is due and nothing else is done for the Registry (it is suspended, or
 * something holds it up): clients must not be shut out by that. Makes none where there is none; undefined where nothing
 * was due.
 */
export async function renewCertificate(request: CertificateRequest): Promise<Served | undefined> {
  const { client, site, now } = request;
  if (site.tls !== 'SelfSigned') return undefined;
  const { 'tls.crt': certificate = '' } = decode(await readSecret(client, site, site.names.certificate));
  const facts = inspect(certificate);
  return facts !== undefined && isDue(facts, now) ? await ownCertificate(request) : undefined;
}

async function usersCertificate({ client, site, now, nodeAddresses }: CertificateRequest): Promise<Served> {
  const name = site.certificateSecret ?? '';
  const secret = await readSecret(client, site, name);
  requireKeys(
    { title: `${site.namespace}/${name}`, field: 'spec.tls.secretName', keys: ['tls.crt', 'tls.key'] },
    secret,
  );
  const values = decode(secret);
  const certificate = values['tls.crt'] ?? '';
  const wrong = complaint(certificate, values['tls.key'], now);
  const facts = inspect(certificate);
  if (wrong !== undefined || facts === undefined) {
    throw new Failing('CertificateInvalid', `Secret ${site.namespace}/${name} cannot be served: ${wrong}; replace it`);
  }
  return {
    certificate,
    bundle: values['ca.crt'] || undefined,
    expires: facts.notAfter,
    news: [],
    uncovered: [...publicNames(site), ...nodeAddresses].filter((each) => !covers(certificate, each)),
  };
}

async function ownCertificate(request: CertificateRequest): Promise<Served> {
  const { client, site, now } = request;
  const news: string[] = [];
  const authority = await keepAuthority(request, news);
  const name = site.names.certificate;
  const live = await readSecret(client, site, name);
  refuseForeign(site, live);
  const values = await serverCertificate(request, authority, live, news);
  await ensure(client, renderCertificate(site, values), live);
  const certificate = values['tls.crt'] ?? '';
  return {
    certificate,
    bundle: bundle(authority),
    expires: inspect(certificate)?.notAfter ?? now,
    news,
    uncovered: [],
  };
}

async function keepAuthority({ client, site, now }: CertificateRequest, news: string[]): Promise<Authority> {
  const name = site.names.authority;
  const values = await keepSecret(client, site, {
    name,
    render: renderAuthority,
    complete: async (found, exists) => {
      const there = readAuthority(found);
      if (exists && there === undefined) {
        throw new Failing(
          'AuthorityDamaged',
          `Secret ${site.namespace}/${name} has no usable "tls.crt" and "tls.key": restore it, or delete the Secret to have a new authority made, which every client must then learn to trust`,
        );
      }
      const { authority, steps } = await advance(there, `${site.namespace}/${site.name} registry CA`, now);
      news.push(...steps.map((step) => `certificate authority: ${step}`));
      return writeAuthority(authority);
    },
  });
  const authority = readAuthority(values);
  if (authority === undefined) throw new Error(`the authority in Secret ${name} cannot be read back`);
  return authority;
}

async function serverCertificate(
  { site, nodeAddresses, now }: CertificateRequest,
  authority: Authority,
  live: Secret | undefined,
  news: string[],
): Promise<Record<string, string>> {
  const names = [...publicNames(site), ...serviceNames(site.name, site.namespace), ...forwarded, ...nodeAddresses];
  const { 'tls.crt': certificate = '', 'tls.key': key = '' } = decode(live);
  const facts = complaint(certificate, key, now) === undefined ? inspect(certificate) : undefined;
  const reason = leafReason(
    facts && {
      ...facts,
      signedByCurrent: signedBy(certificate, authority.current.certificate),
      missingNames: names.filter((name) => !covers(certificate, name)),
    },
    now,
  );
  const trusted = { 'ca.crt': bundle(authority) };
  if (reason === undefined) return { 'tls.crt': certificate, 'tls.key': key, ...trusted };
  const leaf = await issueServerCertificate(authority.current, names, validity(now, leafLife));
  news.push(`server certificate issued: ${reason}`);
  return { 'tls.crt': leaf.certificate, 'tls.key': leaf.key, ...trusted };
}

/** The names in `host` and `externalURLs`, each once. */
function publicNames(site: Site): string[] {
  const hosts = [site.spec.host, ...(site.spec.externalURLs ?? []).map((url) => url.replace(/^https?:\/\//, ''))];
  return [...new Set(hosts.map((host) => host.split(':')[0] ?? host))];
}
