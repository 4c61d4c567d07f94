import type { KubeObject } from '../../kube/object.ts';
import { owned, type Site } from '../site.ts';

/** An identity of its own for the pod, with no rights and no token in it: it never speaks to the API server. */
export function renderServiceAccount(site: Site): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: owned(site, site.names.serviceAccount),
    automountServiceAccountToken: false,
  };
}
