import { Counter, Gauge, type Registry } from '../../platform/prometheus.ts';

export interface InventoryMetrics {
  readonly reports: Counter<'result'>;
  readonly images: Gauge;
}

/** Registers the instruments; once per registry. */
export function inventoryMetrics(registry: Registry): InventoryMetrics {
  const registers = [registry];
  return {
    reports: new Counter({
      name: 'ne_inventory_reports_total',
      help: 'Reports of what runs in the cluster, by result (success, error)',
      labelNames: ['result'] as const,
      registers,
    }),
    images: new Gauge({
      name: 'ne_inventory_images',
      help: 'Images that the last report names',
      registers,
    }),
  };
}
