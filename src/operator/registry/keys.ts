/** The key pairs of a Registry: one signs bearer tokens (the pod), the other admin tokens (the operator). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

/** Contents of the Secret `<name>-keys`: PEM, PKCS#8 for private and SPKI for public keys, all Ed25519. */
export interface RegistryKeys {
  readonly 'admin.key': string;
  readonly 'admin.pub': string;
  readonly 'token.key': string;
}

/** New random keys. */
export function generateKeys(): RegistryKeys {
  const admin = pair();
  return { 'admin.key': admin.privateKey, 'admin.pub': admin.publicKey, 'token.key': pair().privateKey };
}

/** The keys in a Secret's data, or the name of the entry that is missing or damaged. */
export function readKeys(data: Readonly<Record<string, string>>): RegistryKeys | { readonly damaged: string } {
  const admin = ed25519(data['admin.key'], createPrivateKey);
  if (admin === undefined) return { damaged: 'admin.key' };
  const published = ed25519(data['admin.pub'], createPublicKey);
  if (published === undefined || !createPublicKey(admin).equals(published)) return { damaged: 'admin.pub' };
  if (ed25519(data['token.key'], createPrivateKey) === undefined) return { damaged: 'token.key' };
  return {
    'admin.key': data['admin.key'] ?? '',
    'admin.pub': data['admin.pub'] ?? '',
    'token.key': data['token.key'] ?? '',
  };
}

function ed25519(pem: string | undefined, parse: (pem: string) => KeyObject): KeyObject | undefined {
  if (pem === undefined) return undefined;
  try {
    const key = parse(pem);
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}

function pair(): { privateKey: string; publicKey: string } {
  return generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}
