/** Asks a registry's pod how it is, over its admin API, as the operator. */
import { createPrivateKey } from 'node:crypto';
import { type ClientRequest, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import { SignJWT } from 'jose';
import * as z from 'zod';
import { ports } from './paths.ts';

const timeoutMs = 5000;
const maxBody = 64 * 1024;

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

export interface AdminTarget {
  /** Address of the pod. */
  readonly address: string;
  /** PKCS#8 PEM of the key whose public half the pod holds. */
  readonly key: string;
  readonly audience: string;
  /**
   * Certificates to trust, PEM: the authority's bundle and the very certificate that is served. With them in hand the
   * name does not matter: the pod is asked by its address. Undefined: plain HTTP.
   */
  readonly trusted: string | undefined;
}

export type AskRegistry = (target: AdminTarget, signal: AbortSignal) => Promise<Report>;

/** Throws an Error that says what went wrong, without a secret in it. */
export const askRegistry: AskRegistry = async (target, signal) => {
  const { status, body } = await get(target, await token(target), signal);
  if (status !== 200) throw new Error(`the admin API answered ${status}`);
  const report = Report.safeParse(parse(body));
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
    const { status, body } = await receive(
      plainRequest(url, { ...asked(signal), signal: AbortSignal.any([signal, silence]) }),
    );
    return status === 503 ? body.trim().slice(0, 1000) : undefined;
  } catch (error) {
    if (!silence.aborted || signal.aborted) throw error;
    return `it does not say within ${readinessMs / 1000} s whether it can: is its database slow, or the pod without a processor?`;
  }
};

function token({ key, audience }: AdminTarget): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('ne-registry-operator')
    .setSubject('operator')
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('2m')
    .sign(createPrivateKey(key));
}

function get(target: AdminTarget, bearer: string, signal: AbortSignal): Promise<Answer> {
  const options = { ...asked(signal), headers: { authorization: `Bearer ${bearer}`, accept: 'application/json' } };
  const path = `${bracketed(target.address)}:${ports.api}/admin/v1/status`;
  if (target.trusted === undefined) return receive(plainRequest(`http://${path}`, options));
  const trust = { ca: target.trusted, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
  return receive(tlsRequest(`https://${path}`, { ...options, ...trust }));
}

function asked(signal: AbortSignal): { signal: AbortSignal; agent: false } {
  return { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), agent: false };
}

function bracketed(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function receive(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > maxBody) response.destroy(new Error('the registry answered more than 64 KiB'));
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.end();
  });
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
