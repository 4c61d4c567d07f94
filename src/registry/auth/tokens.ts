import { hash } from 'node:crypto';
import { type JWTPayload, jwtVerify, SignJWT } from 'jose';
import * as z from 'zod';
import type { Grant } from './contract.ts';
import { Memory } from './memory.ts';
import type { SigningKey, VerificationKey } from './signing-key.ts';

const issuer = 'ne-registry';
const algorithm = 'EdDSA';
/** Tokens that were verified and are remembered until they expire. */
const remembered = 4_000;
/** Longer tokens, in characters, are verified each time: what is remembered stays within some megabytes. */
const longestRemembered = 2_048;
/** Difference of clocks that is forgiven, seconds: tokens are made and read by replicas of one registry. */
const clockTolerance = 5;

/** What a bearer token says once it was verified. */
export interface Token {
  /** User name; empty where it was issued to nobody in particular. */
  readonly subject: string;
  /** `stamp` of the user at the time. */
  readonly stamp: string;
  readonly grants: readonly Grant[];
  /** Seconds since the epoch. */
  readonly expires: number;
}

export interface IssuedToken {
  readonly token: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresIn: number;
}

export interface TokenSettings {
  readonly key: SigningKey;
  /** Keys whose tokens are still good, the present one included. */
  readonly accepted: readonly VerificationKey[];
  /** `aud` of tokens: the service of the challenge. */
  readonly service: string;
  readonly ttlSeconds: number;
}

const Claims = z.object({
  sub: z.string(),
  exp: z.number(),
  stamp: z.string().default(''),
  access: z
    .array(
      z.strictObject({
        type: z.enum(['repository', 'registry']),
        name: z.string().max(255),
        actions: z.array(z.string().max(32)).max(8),
      }),
    )
    .max(64)
    .default([]),
});

/** Issues and verifies bearer tokens. Settings are asked each time: keys rotate while the registry runs. */
export class Tokens {
  readonly #settings: () => TokenSettings;
  readonly #now: () => number;
  readonly #verified = new Memory<{ token: Token; key: string }>(remembered);

  /** @param now milliseconds since the epoch */
  constructor(settings: () => TokenSettings, now: () => number) {
    this.#settings = settings;
    this.#now = now;
  }

  async issue(holder: { subject: string; stamp: string }, grants: readonly Grant[]): Promise<IssuedToken> {
    const { key, service, ttlSeconds } = this.#settings();
    const issuedAt = Math.floor(this.#now() / 1000);
    const token = await new SignJWT({ access: grants, stamp: holder.stamp })
      .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid: key.id })
      .setIssuer(issuer)
      .setSubject(holder.subject)
      .setAudience(service)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + ttlSeconds)
      .sign(key.privateKey);
    return { token, issuedAt, expiresIn: ttlSeconds };
  }

  /**
   * What a token says, or undefined where it is not one of ours, has expired, or its key is no longer accepted. At once
   * where it was verified before.
   */
  verify(text: string): Token | undefined | Promise<Token | undefined> {
    const digest = hash('sha256', text, 'base64');
    const known = this.#verified.get(digest);
    if (known === undefined) return this.#verify(text, digest);
    const { accepted } = this.#settings();
    const expired = known.token.expires + clockTolerance <= this.#now() / 1000;
    if (!expired && accepted.some(({ id }) => id === known.key)) return known.token;
    this.#verified.delete(digest);
    return undefined;
  }

  async #verify(text: string, digest: string): Promise<Token | undefined> {
    const { accepted, service } = this.#settings();
    const verified = await verifyStrictly(text, { keys: accepted, issuer, audience: service, now: this.#now() });
    const claims = Claims.safeParse(verified?.payload);
    if (verified === undefined || !claims.success) return undefined;
    const { sub, exp, stamp, access } = claims.data;
    const token: Token = { subject: sub, stamp, grants: access, expires: exp };
    if (text.length <= longestRemembered) this.#verified.set(digest, { token, key: verified.key.id });
    return token;
  }
}

export interface Expectation {
  readonly keys: readonly VerificationKey[];
  readonly issuer: string;
  readonly audience: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Key to use where the token names none; tokens of ours always do. */
  readonly anyKey?: boolean;
  /** Claims that must be there; `exp`, `iat` and `sub` unless given. One that is there always counts. */
  readonly required?: readonly string[];
}

/** Header parameters by which a token would bring its own key (RFC 7515 §4.1.2–4.1.6). */
const ownKeys = ['jwk', 'jku', 'x5c', 'x5u', 'x5t', 'x5t#S256'];

/**
 * Verifies a JWT with one of our keys and nothing that the token brings: fixed algorithm, issuer and audience; expiry
 * required unless the caller says otherwise; unknown critical extensions refused. Undefined where anything is wrong: the caller learns no more than that.
 */
export async function verifyStrictly(
  text: string,
  expected: Expectation,
): Promise<{ payload: JWTPayload; key: VerificationKey } | undefined> {
  for (const key of expected.keys) {
    try {
      const { payload, protectedHeader } = await jwtVerify(text, key.publicKey, {
        algorithms: [algorithm],
        issuer: expected.issuer,
        audience: expected.audience,
        requiredClaims: [...(expected.required ?? ['exp', 'iat', 'sub'])],
        clockTolerance,
        currentDate: new Date(expected.now),
      });
      if (ownKeys.some((parameter) => parameter in protectedHeader)) return undefined;
      if (!expected.anyKey && protectedHeader.kid !== key.id) continue;
      return { payload, key };
    } catch {
      // Another key may fit; whatever else is wrong will be wrong with it too.
    }
  }
  return undefined;
}
