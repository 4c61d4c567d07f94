/** The admin API of one Registry: whichever of its pods answers first. Replicas share all that is asked for here. */
import type { AdminAnswer, AdminRequest, AdminTarget } from './request.ts';

/** Nobody answered; tried again by whoever asked, when it suits them. */
export class RegistryUnreachable extends Error {
  override readonly name = 'RegistryUnreachable';
}

export type Ask = (target: AdminTarget, asked: AdminRequest, signal: AbortSignal) => Promise<AdminAnswer>;

export interface RegistryClient {
  /**
   * Sends a request to the Registry's pods, one after another until one gives an answer below 500.
   * @throws RegistryUnreachable where none does, with the last reason
   */
  send(asked: AdminRequest, signal: AbortSignal): Promise<AdminAnswer>;
}

/** Gives the pods that take requests, read anew for every request. */
export type Targets = () => Promise<readonly AdminTarget[]>;

export function registryClient(targets: Targets, ask: Ask): RegistryClient {
  return {
    send: async (asked, signal) => {
      let why = 'none of its pods is ready';
      for (const target of await targets()) {
        signal.throwIfAborted();
        try {
          const answer = await ask(target, asked, signal);
          if (answer.status < 500) return answer;
          why = `it answers ${describe(answer)}`;
        } catch (error) {
          signal.throwIfAborted();
          why = error instanceof Error ? error.message : String(error);
        }
      }
      throw new RegistryUnreachable(`the registry does not answer the operator: ${why}`);
    },
  };
}

/** The status and the first error's message of an answer, for people. */
export function describe({ status, body }: AdminAnswer): string {
  const message = errorsOf(body)[0]?.message;
  return message === undefined ? String(status) : `${status} (${message})`;
}

export interface AdminError {
  readonly code?: string;
  readonly message?: string;
  readonly detail?: unknown;
}

/** The errors in the body of a refusal. */
export function errorsOf(body: unknown): AdminError[] {
  const errors = (body as { errors?: unknown } | undefined)?.errors;
  return Array.isArray(errors) ? errors.filter((each) => typeof each === 'object' && each !== null) : [];
}
