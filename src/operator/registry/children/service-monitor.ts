import type { KubeObject } from '../../kube/object.ts';
import { registryLabel } from '../names.ts';
import { owned, type Site } from '../site.ts';

export const serviceMonitorKind = { apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor' } as const;

/** A ServiceMonitor of the Prometheus operator, where the spec asks for one. */
export function renderServiceMonitor(site: Site): KubeObject | undefined {
  const monitor = site.spec.metrics?.serviceMonitor;
  if (monitor === undefined) return undefined;
  const metadata = owned(site, site.names.serviceMonitor);
  return {
    ...serviceMonitorKind,
    metadata: { ...metadata, labels: { ...monitor.labels, ...metadata.labels } },
    spec: {
      selector: { matchLabels: { [registryLabel]: site.name } },
      endpoints: [
        {
          port: 'management',
          path: '/metrics',
          ...(monitor.interval === undefined ? {} : { interval: monitor.interval }),
        },
      ],
    },
  };
}
