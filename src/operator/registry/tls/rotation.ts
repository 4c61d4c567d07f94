/**
 * When a Registry's own certificates are made anew. Pure: the clock and what exists come in, what to do goes out.
 *
 * An authority lives ten years. At two thirds of that a successor is made and *published* first; only when everybody
 * has had time to fetch the new bundle does it sign. The old one stays in the bundle until the last certificate that it
 * signed is out of use. So at no moment does a client that follows the bundle meet a certificate it cannot verify.
 */
const day = 24 * 3600 * 1000;

export const authorityLife = 3650 * day;
export const leafLife = 90 * day;
/** Time between publishing a new authority and signing with it. */
export const spread = 7 * day;
/** How far `notBefore` lies in the past, for clients whose clock is behind. */
export const clockSkew = 3600 * 1000;

export interface Period {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface AuthorityPeriods {
  readonly current?: Period;
  readonly next?: Period;
  readonly previous?: Period;
}

export type AuthorityStep = 'create' | 'announce' | 'promote' | 'forget' | 'none';

/**
 * The one next step for an authority:
 * `create` the first, `announce` a successor, `promote` it to sign, `forget` the old one, or `none`.
 */
export function authorityStep(periods: AuthorityPeriods, now: Date): AuthorityStep {
  const { current, next, previous } = periods;
  if (current === undefined) return next === undefined ? 'create' : 'promote';
  if (next !== undefined) return shouldSign(next, current, now) ? 'promote' : 'none';
  if (isDue(current, now)) return 'announce';
  if (previous !== undefined && isSuperseded(current, previous, now)) return 'forget';
  return 'none';
}

export interface LeafFacts extends Period {
  readonly signedByCurrent: boolean;
  /** Names that clients use and that the certificate does not cover. */
  readonly missingNames: readonly string[];
}

/** Why a server certificate must be issued now, in words, or undefined when the one there is stays. */
export function leafReason(leaf: LeafFacts | undefined, now: Date): string | undefined {
  if (leaf === undefined) return 'there was none';
  if (!leaf.signedByCurrent) return 'the authority changed';
  if (leaf.missingNames.length > 0) return `it did not cover ${leaf.missingNames.join(', ')}`;
  if (isDue(leaf, now)) return 'two thirds of its life had passed';
  return undefined;
}

/** The validity of something issued now that lives `life` milliseconds; whole seconds, as certificates have. */
export function validity(now: Date, life: number): Period {
  const start = Math.floor((now.getTime() - clockSkew) / 1000) * 1000;
  return { notBefore: new Date(start), notAfter: new Date(start + life) };
}

/** Past two thirds of its life. */
export function isDue(period: Period, now: Date): boolean {
  const life = period.notAfter.getTime() - period.notBefore.getTime();
  return now.getTime() >= period.notBefore.getTime() + (life * 2) / 3;
}

/** The successor has been published long enough, or there is no time left to wait: the current one is about to end. */
function shouldSign(next: Period, current: Period, now: Date): boolean {
  const spreadOver = now.getTime() >= next.notBefore.getTime() + clockSkew + spread;
  return spreadOver || now.getTime() >= current.notAfter.getTime() - leafLife;
}

/** No certificate that the previous authority signed can still be in use. */
function isSuperseded(current: Period, previous: Period, now: Date): boolean {
  const signing = current.notBefore.getTime() + clockSkew + spread;
  return now >= previous.notAfter || now.getTime() >= signing + leafLife;
}
