import { Counter, Gauge, Histogram, type Registry } from '../../platform/prometheus.ts';

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

/** The instruments of the loop, under the names that dashboards for controller-runtime and client-go know. */
export interface RuntimeMetrics {
  reconciles: Counter<'controller' | 'result'>;
  reconcileErrors: Counter<'controller'>;
  reconcileSeconds: Histogram<'controller'>;
  activeWorkers: Gauge<'controller'>;
  maxWorkers: Gauge<'controller'>;
  queueDepth: Gauge<'name'>;
  queueAdds: Counter<'name'>;
  queueSeconds: Histogram<'name'>;
  workSeconds: Histogram<'name'>;
  retries: Counter<'name'>;
  leader: Gauge<'name'>;
}

/** Registers the loop's instruments; once per registry. */
export function runtimeMetrics(registry: Registry): RuntimeMetrics {
  const registers = [registry];
  const controller = { labelNames: ['controller'] as const, registers };
  const queue = { labelNames: ['name'] as const, registers };
  return {
    reconciles: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciles by controller and result (success, error, requeue, requeue_after)',
      labelNames: ['controller', 'result'] as const,
      registers,
    }),
    reconcileErrors: new Counter({
      name: 'controller_runtime_reconcile_errors_total',
      help: 'Reconciles that failed',
      ...controller,
    }),
    reconcileSeconds: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'How long a reconcile takes',
      buckets: SECONDS,
      ...controller,
    }),
    activeWorkers: new Gauge({
      name: 'controller_runtime_active_workers',
      help: 'Reconciles running now',
      ...controller,
    }),
    maxWorkers: new Gauge({
      name: 'controller_runtime_max_concurrent_reconciles',
      help: 'How many reconciles may run at once',
      ...controller,
    }),
    queueDepth: new Gauge({ name: 'workqueue_depth', help: 'Keys waiting for a worker', ...queue }),
    queueAdds: new Counter({ name: 'workqueue_adds_total', help: 'Keys added', ...queue }),
    queueSeconds: new Histogram({
      name: 'workqueue_queue_duration_seconds',
      help: 'How long a key waits for a worker',
      buckets: SECONDS,
      ...queue,
    }),
    workSeconds: new Histogram({
      name: 'workqueue_work_duration_seconds',
      help: 'How long a worker holds a key',
      buckets: SECONDS,
      ...queue,
    }),
    retries: new Counter({ name: 'workqueue_retries_total', help: 'Keys added again after a failure', ...queue }),
    leader: new Gauge({
      name: 'leader_election_master_status',
      help: '1 while this process leads, else 0',
      ...queue,
    }),
  };
}
