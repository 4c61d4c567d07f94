/** Asks a registry's pod how it is, over its admin API, as the operator. */
import { createPrivateKey } from 'node:crypto';
import { request as plainRequest } from 'node:http';
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

function get(target: AdminTarget, bearer: string, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const host = isIPv6(target.address) ? `[${target.address}]` : target.address;
  const options = {
    headers: { authorization: `Bearer ${bearer}`, accept: 'application/json' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    agent: false as const,
  };
  const path = `${host}:${ports.api}/admin/v1/status`;
  const request =
    target.trusted === undefined
      ? plainRequest(`http://${path}`, options)
      : tlsRequest(`https://${path}`, {
          ...options,
          ca: target.trusted,
          allowPartialTrustChain: true,
          checkServerIdentity: () => undefined,
        });
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > maxBody) response.destroy(new Error('the admin API answered more than 64 KiB'));
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
