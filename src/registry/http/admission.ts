import { Refusal } from '../../domain/errors.ts';

export interface AdmissionLimits {
  /** Requests in flight per client address; 0 means no limit. */
  readonly concurrentRequests: number;
  /** Requests that carry an upload's bytes, in flight per client address; 0 means no limit. */
  readonly concurrentUploads: number;
}

interface InFlight {
  requests: number;
  uploads: number;
}

/** Bounds what one client address may have in flight. Holds an entry only for addresses with a request under way. */
export class Admission {
  readonly #clients = new Map<string, InFlight>();

  /** Whether a request could come in that is answered before the next one is looked at, and so need not be counted. */
  admits(address: string, { concurrentRequests }: AdmissionLimits): boolean {
    return concurrentRequests === 0 || (this.#clients.get(address)?.requests ?? 0) < concurrentRequests;
  }

  /**
   * Counts a request in; the returned function counts it out and must be called once.
   * @throws Refusal TOOMANYREQUESTS where the address is at its limit
   */
  enter(address: string, upload: boolean, limits: AdmissionLimits): () => void {
    const client = this.#clients.get(address) ?? { requests: 0, uploads: 0 };
    if (limits.concurrentRequests > 0 && client.requests >= limits.concurrentRequests) throw tooMany('requests');
    if (upload && limits.concurrentUploads > 0 && client.uploads >= limits.concurrentUploads) throw tooMany('uploads');
    client.requests++;
    if (upload) client.uploads++;
    this.#clients.set(address, client);
    return () => {
      client.requests--;
      if (upload) client.uploads--;
      if (client.requests === 0) this.#clients.delete(address);
    };
  }
}

function tooMany(what: string): Refusal {
  return new Refusal('TOOMANYREQUESTS', `this address has too many ${what} in flight; try again in a second`, {
    headers: { 'retry-after': '1' },
  });
}
