import type { VerificationKey } from './signing-key.ts';
import { verifyStrictly } from './tokens.ts';

/** `iss` of all that the operator signs. */
export const operatorIssuer = 'ne-registry-operator';
/** The longest life of a token that the operator may sign, seconds. */
const longestLife = 300;

export interface OperatorTrust {
  readonly keys: readonly VerificationKey[];
  /** `aud` the token must carry: `namespace/name` of the Registry. */
  readonly audience: string;
}

/**
 * Who signed this admin token (`sub`), or undefined where it is not the operator's, not for this registry, expired, or
 * made for longer than five minutes.
 * @param now milliseconds since the epoch
 */
export async function verifyOperatorToken(
  text: string,
  trust: OperatorTrust,
  now: number,
): Promise<string | undefined> {
  const verified = await verifyStrictly(text, { ...trust, issuer: operatorIssuer, now, anyKey: true });
  if (verified === undefined) return undefined;
  const { exp = 0, iat = 0, sub, use } = verified.payload;
  // What is made for one use is made for no other.
  if (use !== undefined) return undefined;
  return exp - iat <= longestLife && exp * 1000 - now <= (longestLife + 5) * 1000 ? sub : undefined;
}
