import type { KubeObject } from '../../kube/object.ts';
import { kept, type Metadata, owned, type Site } from '../site.ts';

/** A Secret as the API server sends it: values in base64. */
export interface Secret extends KubeObject {
  type?: string;
  data?: Record<string, string>;
}

/** The values of a Secret as text. */
export function decode(secret: Secret | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}

/** Text values as a Secret's `data`. */
export function encode(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value, 'utf8').toString('base64')]),
  );
}

/** The keys of a Registry: they stay with its data, since tokens and rules in it are bound to them. */
export function renderKeys(site: Site, values: Readonly<Record<string, string>>): Secret {
  return secret(kept(site, site.names.keys), 'Opaque', values);
}

/** The first administrator: name and password for a person, the hash for the pod. */
export function renderAdministrator(site: Site, values: Readonly<Record<string, string>>): Secret {
  return secret(kept(site, site.names.administrator), 'Opaque', values);
}

/** Whom other Registries come as to replicate: the worker of a rule gets name and password, the pod the hash. */
export function renderReplicationUser(site: Site, values: Readonly<Record<string, string>>): Secret {
  return secret(owned(site, site.names.replicationUser), 'Opaque', values);
}

/** The operator's own authority for this Registry: who trusted it once shall go on doing so. */
export function renderAuthority(site: Site, values: Readonly<Record<string, string>>): Secret {
  return secret(kept(site, site.names.authority), 'Opaque', values);
}

/** The server certificate that the authority signed; it can be made again at any time. */
export function renderCertificate(site: Site, values: Readonly<Record<string, string>>): Secret {
  return secret(owned(site, site.names.certificate), 'kubernetes.io/tls', values);
}

function secret(metadata: Metadata, type: string, values: Readonly<Record<string, string>>): Secret {
  return { apiVersion: 'v1', kind: 'Secret', metadata, type, data: encode(values) };
}
