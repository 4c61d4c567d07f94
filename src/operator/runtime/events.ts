import type { KubeObject } from '../kube/object.ts';

export interface EventInput {
  type: 'Normal' | 'Warning';
  /** CamelCase, for example `CertificateRotated`. */
  reason: string;
  /** What was done, CamelCase; default `Reconcile`. */
  action?: string;
  /** For people, one or two sentences; no secrets. */
  note: string;
}

/** Tells users what happened to an object; never throws, never blocks a reconcile. */
export interface Events {
  record(regarding: KubeObject, event: EventInput): void;
}
