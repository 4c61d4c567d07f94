import type { KubeObject } from '../../kube/object.ts';
import { owned, type Site } from '../site.ts';

/** An Ingress for the host, where the spec asks for one. */
export function renderIngress(site: Site): KubeObject | undefined {
  const ingress = site.spec.expose?.ingress;
  if (ingress === undefined) return undefined;
  const host = site.spec.host.split(':')[0] ?? site.spec.host;
  const backend = { service: { name: site.names.service, port: { name: 'api' } } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { ...owned(site, site.names.ingress), annotations: { ...defaults(site), ...ingress.annotations } },
    spec: {
      ...(ingress.className === undefined ? {} : { ingressClassName: ingress.className }),
      rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      ...(site.certificateSecret === undefined ? {} : { tls: [{ hosts: [host], secretName: site.certificateSecret }] }),
    },
  };
}

/** What ingress-nginx would get wrong: it speaks plain HTTP to pods and refuses bodies past 1 MiB. Others ignore these. */
function defaults(site: Site): Record<string, string> {
  return {
    'nginx.ingress.kubernetes.io/backend-protocol': site.tls === 'Disabled' ? 'HTTP' : 'HTTPS',
    'nginx.ingress.kubernetes.io/proxy-body-size': '0',
    'nginx.ingress.kubernetes.io/proxy-request-buffering': 'off',
  };
}
