import type { KubeObject } from '../../kube/object.ts';
import { owned, type Site } from '../site.ts';

/** What clients must trust, for pods to mount and people to fetch. Nothing to publish: no ConfigMap. */
export function renderBundle(site: Site, bundle: string | undefined): KubeObject | undefined {
  if (bundle === undefined) return undefined;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: owned(site, site.names.bundle),
    data: { 'ca.crt': bundle },
  };
}
