/** Reads certificates: what they cover, until when, and whether a key belongs to them. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

export interface CertificateFacts {
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** DNS names and IP addresses of the subject alternative name, IPv6 as Node writes it. */
  readonly names: readonly string[];
  readonly fingerprint: string;
}

/** The facts of the first certificate in a PEM text, or undefined where there is none that can be read. */
export function inspect(pem: string | undefined): CertificateFacts | undefined {
  const certificate = parse(pem);
  if (certificate === undefined) return undefined;
  return {
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
    names: alternativeNames(certificate.subjectAltName),
    fingerprint: certificate.fingerprint256,
  };
}

/** Whether a client that asks for `name` (DNS name or IP address) accepts this certificate for it; wildcards count. */
export function covers(pem: string, name: string): boolean {
  const certificate = parse(pem);
  if (certificate === undefined) return false;
  return isIP(name) === 0 ? certificate.checkHost(name) !== undefined : certificate.checkIP(name) !== undefined;
}

/** Whether `authority` signed the first certificate of `pem`. */
export function signedBy(pem: string, authority: string): boolean {
  const leaf = parse(pem);
  const issuer = parse(authority);
  if (leaf === undefined || issuer === undefined) return false;
  return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
}

/**
 * What is wrong with a certificate and its key, in words for a person, or undefined when they can serve.
 * `now` decides whether it has expired.
 */
export function complaint(certificate: string | undefined, key: string | undefined, now: Date): string | undefined {
  const parsed = parse(certificate);
  if (parsed === undefined) return 'tls.crt holds no PEM certificate';
  try {
    if (!parsed.checkPrivateKey(createPrivateKey(key ?? ''))) return 'tls.key does not belong to tls.crt';
  } catch {
    return 'tls.key holds no PEM private key';
  }
  const end = new Date(parsed.validTo);
  return end <= now ? `the certificate expired on ${end.toISOString()}` : undefined;
}

function parse(pem: string | undefined): X509Certificate | undefined {
  if (pem === undefined || pem === '') return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** `DNS:a.example, IP Address:10.0.0.1` → the values. Quoted entries hold characters no host name has, and are skipped. */
function alternativeNames(text: string | undefined): string[] {
  if (text === undefined) return [];
  return text.split(', ').flatMap((entry) => {
    const match = /^(?:DNS|IP Address):([^"]+)$/.exec(entry);
    return match?.[1] === undefined ? [] : [match[1]];
  });
}
