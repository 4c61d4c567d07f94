import { createCipheriv, createDecipheriv, createHmac, hkdfSync, type KeyObject } from 'node:crypto';
import type { RuleConnection } from '../../api/rules/connection.ts';

/** What encrypts the connections of rules (ADR 25). */
const cipher = 'aes-256-gcm';
const purposes = {
  encrypt: 'ne-registry rule connections v1',
  nonce: 'ne-registry rule connections v1 nonce',
} as const;
const nonceBytes = 12;
const tagBytes = 16;

/** Connections cannot be opened: the key that tokens are signed with is another one than when they were kept. */
export class CredentialsLost extends Error {
  constructor(cause: unknown) {
    super('the credentials of this rule were sealed with a key that this registry does not have any more', { cause });
    this.name = 'CredentialsLost';
  }
}

/**
 * Encrypts connections for one rule: base64 of nonce, ciphertext and tag. They open with the same key, and for the same rule,
 * alone. The nonce follows from what is sealed (as in RFC 8452), so that the same connections look the same: PUT again, they are
 * no change.
 * @param key the private key that tokens are signed with
 * @param rule its uid
 */
export function seal(connections: readonly RuleConnection[], key: KeyObject, rule: string): string {
  const text = JSON.stringify(connections);
  const nonce = createHmac('sha256', derived(key, 'nonce')).update(`${rule}\0${text}`).digest().subarray(0, nonceBytes);
  const encrypting = createCipheriv(cipher, derived(key, 'encrypt'), nonce).setAAD(Buffer.from(rule));
  const sealed = [nonce, encrypting.update(text, 'utf8'), encrypting.final()];
  return Buffer.concat([...sealed, encrypting.getAuthTag()]).toString('base64');
}

/** @throws CredentialsLost */
export function unseal(text: string, key: KeyObject, rule: string): RuleConnection[] {
  try {
    const sealed = Buffer.from(text, 'base64');
    const nonce = sealed.subarray(0, nonceBytes);
    const opening = createDecipheriv(cipher, derived(key, 'encrypt'), nonce, { authTagLength: tagBytes });
    opening.setAAD(Buffer.from(rule)).setAuthTag(sealed.subarray(-tagBytes));
    const opened = Buffer.concat([opening.update(sealed.subarray(nonceBytes, -tagBytes)), opening.final()]);
    return JSON.parse(opened.toString('utf8'));
  } catch (error) {
    throw new CredentialsLost(error);
  }
}

/** RFC 5869: from the private key's own bytes, for one purpose. */
function derived(key: KeyObject, purpose: keyof typeof purposes): Buffer {
  const secret = Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
  return Buffer.from(hkdfSync('sha256', secret, '', purposes[purpose], 32));
}
