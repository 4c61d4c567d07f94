/**
 * A Registry's own certificate authority, as its Secret `<name>-ca` holds it:
 * `tls.crt`/`tls.key` sign, `next.crt`/`next.key` are published and sign later, `previous.crt` is still trusted.
 */
import { inspect } from './inspect.ts';
import { issueAuthority, type KeyPair } from './issue.ts';
import { type AuthorityStep, authorityLife, authorityStep, type Period, validity } from './rotation.ts';

export interface Authority {
  readonly current: KeyPair;
  readonly next?: KeyPair;
  /** Certificate only: its key is gone once it no longer signs. */
  readonly previous?: string;
}

/** What the Secret holds, or undefined when it holds no usable signing pair. */
export function readAuthority(data: Readonly<Record<string, string>>): Authority | undefined {
  const current = pair(data['tls.crt'], data['tls.key']);
  if (current === undefined) return undefined;
  const next = pair(data['next.crt'], data['next.key']);
  const previous = data['previous.crt'];
  return { current, ...(next === undefined ? {} : { next }), ...(inspect(previous) && previous ? { previous } : {}) };
}

/** The keys and values of the Secret that holds `authority`. */
export function writeAuthority(authority: Authority): Record<string, string> {
  return {
    'tls.crt': authority.current.certificate,
    'tls.key': authority.current.key,
    ...(authority.next === undefined ? {} : { 'next.crt': authority.next.certificate, 'next.key': authority.next.key }),
    ...(authority.previous === undefined ? {} : { 'previous.crt': authority.previous }),
  };
}

/** Everything a client must trust, PEM, the signing certificate first. */
export function bundle(authority: Authority): string {
  return [authority.current.certificate, authority.next?.certificate, authority.previous].filter(Boolean).join('');
}

/** The authority after every step that is due at `now`, and the steps that were taken (none: the same object). */
export async function advance(
  authority: Authority | undefined,
  commonName: string,
  now: Date,
): Promise<{ authority: Authority; steps: AuthorityStep[] }> {
  const steps: AuthorityStep[] = [];
  let at = authority;
  // Announce, promote and forget can fall due together when the operator was away for months; never more than three.
  for (let round = 0; round < 4; round++) {
    const step = at === undefined ? 'create' : authorityStep(periods(at), now);
    if (step === 'none') break;
    at = await take(step, at, commonName, now);
    steps.push(step);
  }
  if (at === undefined) throw new Error(`no authority came of ${steps.join(', ')}`);
  return { authority: at, steps };
}

async function take(
  step: AuthorityStep,
  authority: Authority | undefined,
  commonName: string,
  now: Date,
): Promise<Authority> {
  if (step === 'create' || authority === undefined) return { current: await issue(commonName, now) };
  const { current, next } = authority;
  if (step === 'announce') return { ...authority, next: await issue(commonName, now) };
  if (step === 'promote' && next !== undefined) return { current: next, previous: current.certificate };
  return { current, ...(next === undefined ? {} : { next }) };
}

function issue(commonName: string, now: Date): Promise<KeyPair> {
  return issueAuthority(commonName, validity(now, authorityLife));
}

function periods({ current, next, previous }: Authority): { current?: Period; next?: Period; previous?: Period } {
  const facts = {
    current: inspect(current.certificate),
    next: inspect(next?.certificate),
    previous: inspect(previous),
  };
  return {
    ...(facts.current === undefined ? {} : { current: facts.current }),
    ...(facts.next === undefined ? {} : { next: facts.next }),
    ...(facts.previous === undefined ? {} : { previous: facts.previous }),
  };
}

function pair(certificate: string | undefined, key: string | undefined): KeyPair | undefined {
  if (inspect(certificate) === undefined || certificate === undefined || key === undefined) return undefined;
  return key.includes('PRIVATE KEY') ? { certificate, key } : undefined;
}
