import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { redact } from '../../../src/operator/runtime/redact.ts';

describe('what is told to users', () => {
  const secret = randomBytes(12).toString('hex');
  const jwt = `eyJ${secret}.${secret}.${secret}`;
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

  for (const text of [
    `password: ${secret} was refused`,
    `PASSWORD="${secret}"`,
    `Authorization: Bearer ${secret}`,
    `authorization: basic ${secret}`,
    `GET https://admin:${secret}@registry.example/v2/`,
    `token ${jwt} expired`,
    `https://s3.example/?secret=${secret}&x=1`,
    `cannot parse ${pem}`,
  ]) {
    test(`holds no secret: ${text.slice(0, 24)}…`, () => {
      const shown = redact(text);
      assert.ok(!shown.includes(secret) && !shown.includes(pem.slice(30, 60)), shown);
    });
  }

  for (const text of [
    'Secret "registry/main-admin" has no key "htpasswd": create it, or name another in spec.auth',
    'the token expires at 2030-01-01T00:00:00Z',
    'Basic authentication is off',
    'cannot reach https://registry.example:5000/v2/: connection refused',
  ]) {
    test(`keeps its words: ${text.slice(0, 24)}…`, () => assert.equal(redact(text), text));
  }
});
