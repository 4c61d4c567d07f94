import { type OperatorTrust, operatorIssuer } from './operator-token.ts';
import { verifyStrictly } from './tokens.ts';

const subject = /^cluster:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)$/;

/**
 * The cluster whose inventory this token lets its bearer write, or undefined where it is none of the operator's, or not for this
 * registry. Such a token goes to another cluster and has no end of its own: it is good for nothing else, and only while the
 * registry expects reports of that cluster.
 * @param now milliseconds since the epoch
 */
export async function verifyReporterToken(
  text: string,
  trust: OperatorTrust,
  now: number,
): Promise<{ cluster: string } | undefined> {
  const required = ['iat', 'sub', 'use'];
  const verified = await verifyStrictly(text, { ...trust, issuer: operatorIssuer, now, anyKey: true, required });
  if (verified?.payload.use !== 'inventory') return undefined;
  const cluster = subject.exec(verified.payload.sub ?? '')?.[1];
  return cluster === undefined ? undefined : { cluster };
}
