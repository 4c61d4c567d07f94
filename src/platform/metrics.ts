import { collectDefaultMetrics, Registry } from './prometheus.ts';

export type MetricsRegistry = Registry;

/** A registry of metrics of its own (nothing global), with those of the process: memory, CPU, event loop lag, open files. */
export function createMetrics(): MetricsRegistry {
  const register = new Registry();
  // Every 50 ms instead of 10: an idle process shall be idle.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 50 });
  return register;
}
