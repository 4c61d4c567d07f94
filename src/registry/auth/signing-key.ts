import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';

/** A key that tokens are signed with, or were. `id` is its RFC 7638 thumbprint, `kid` of the token's header. */
export interface VerificationKey {
  readonly id: string;
  readonly publicKey: KeyObject;
}

export interface SigningKey extends VerificationKey {
  readonly privateKey: KeyObject;
}

/** A key file that cannot be used. The message names the file and what it should hold; never what it holds. */
export class InvalidKey extends Error {
  constructor(file: string, problem: string, cause?: unknown) {
    super(`${file}: ${problem}`, cause === undefined ? undefined : { cause });
    this.name = 'InvalidKey';
  }
}

/** @throws InvalidKey unless `pem` is a PKCS#8 PEM with an Ed25519 private key */
export function readSigningKey(pem: string | Buffer, file: string): SigningKey {
  const privateKey = parse(file, 'a PKCS#8 PEM private key', () => createPrivateKey(pem));
  return { ...verificationKey(createPublicKey(privateKey), file), privateKey };
}

/** @throws InvalidKey unless `pem` is an SPKI PEM with an Ed25519 public key */
export function readVerificationKey(pem: string | Buffer, file: string): VerificationKey {
  if (pem.includes('PRIVATE KEY'))
    throw new InvalidKey(file, 'this is a private key; give the public half only (openssl pkey -pubout)');
  return verificationKey(
    parse(file, 'an SPKI PEM public key', () => createPublicKey(pem)),
    file,
  );
}

/** A new Ed25519 private key as PKCS#8 PEM. */
export function newSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function verificationKey(publicKey: KeyObject, file: string): VerificationKey {
  if (publicKey.asymmetricKeyType !== 'ed25519') {
    throw new InvalidKey(
      file,
      `the key is of type ${publicKey.asymmetricKeyType}; it must be Ed25519 (openssl genpkey -algorithm ed25519)`,
    );
  }
  const { x } = publicKey.export({ format: 'jwk' });
  const thumbprint = hash('sha256', JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }), 'base64url');
  return { id: thumbprint, publicKey };
}

function parse(file: string, expected: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (cause) {
    throw new InvalidKey(file, `is not ${expected}`, cause);
  }
}
