/** Asks a registry's pod how it is: over its admin API, as the operator, and over its readiness probe. */
import { request as plainRequest } from 'node:http';
import * as z from 'zod';
import { type AdminTarget, askAdmin, bracketed, receive } from '../registry-client/request.ts';
import { ports } from './paths.ts';

const Report = z.object({
  version: z.string(),
  /** Generation of the Registry whose settings run. */
  generation: z.number(),
  storage: z
    .object({
      usedBytes: z.number().optional(),
      reclaimableBytes: z.number().optional(),
      freeBytes: z.number().optional(),
    })
    .optional(),
  repositories: z.number().optional(),
  /** Why the newest settings cannot run; the ones before do. */
  settingsFault: z.string().optional(),
  /** When the last snapshot was complete. */
  lastBackup: z.iso.datetime().optional(),
});

/** What a registry says of itself. */
export type Report = z.output<typeof Report>;

export type AskRegistry = (target: AdminTarget, signal: AbortSignal) => Promise<Report>;

/** Throws an Error that says what went wrong, without a secret in it. */
export const askRegistry: AskRegistry = async (target, signal) => {
  const { status, body } = await askAdmin(target, { method: 'GET', path: '/admin/v1/status' }, signal);
  if (status !== 200) throw new Error(`the admin API answered ${status}`);
  const report = Report.safeParse(body);
  if (!report.success) throw new Error('the admin API answered something that is not a status');
  return report.data;
};

/** Asks a pod, by its address, why it takes no requests; undefined where it takes them. Rejects where nobody answers. */
export type AskReadiness = (address: string, signal: AbortSignal) => Promise<string | undefined>;

/** A registry waits for its database before it calls it away: longer than for an answer of the admin API. */
const readinessMs = 12_000;

/** `/readyz` of the management port: plain HTTP, and no secret on the way. A pod that is silent is its own reason. */
export const askReadiness: AskReadiness = async (address, signal) => {
  const url = `http://${bracketed(address)}:${ports.management}/readyz`;
  const silence = AbortSignal.timeout(readinessMs);
  try {
    const { status, text } = await receive(
      plainRequest(url, { agent: false, signal: AbortSignal.any([signal, silence]) }),
    );
    return status === 503 ? text.trim().slice(0, 1000) : undefined;
  } catch (error) {
    if (!silence.aborted || signal.aborted) throw error;
    return `it does not say within ${readinessMs / 1000} s whether it can: is its database slow, or the pod without a processor?`;
  }
};
