import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isInward, isLoopback } from '../../../src/transfer/http/address.ts';
import { credentialsForRealm, type RealmAnswer } from '../../../src/transfer/registry/realm.ts';

interface Row {
  readonly registry: string;
  readonly realm: string;
  readonly verified?: boolean;
  readonly own?: boolean;
  readonly answer: RealmAnswer;
}

const rows: readonly Row[] = [
  { registry: 'https://registry-1.docker.io', realm: 'https://auth.docker.io/token', answer: 'registry' },
  { registry: 'https://r.example.com', realm: 'https://r.example.com/token', verified: false, answer: 'registry' },
  { registry: 'http://localhost:5000', realm: 'http://localhost:5000/token', verified: false, answer: 'registry' },
  { registry: 'http://localhost:5000', realm: 'http://localhost:5001/token', verified: false, answer: 'registry' },
  // Anybody on the path could have written the challenge.
  { registry: 'http://r.example.com', realm: 'https://evil.example.net/token', verified: false, answer: 'nobody' },
  { registry: 'https://r.example.com', realm: 'https://evil.example.net/token', verified: false, answer: 'nobody' },
  { registry: 'http://localhost:5000', realm: 'https://evil.example.net/token', verified: false, answer: 'nobody' },
  // Never from TLS down to plain HTTP.
  { registry: 'https://r.example.com', realm: 'http://r.example.com/token', answer: 'nobody' },
  { registry: 'https://r.example.com', realm: 'http://auth.example.com/token', answer: 'nobody' },
  { registry: 'https://r.example.com', realm: 'http://auth.example.com/token', own: true, answer: 'nobody' },
  // The user has credentials for that very host.
  {
    registry: 'http://r.example.com',
    realm: 'https://auth.example.com/token',
    verified: false,
    own: true,
    answer: 'realm',
  },
  // Even that is not said over a line that anybody reads.
  {
    registry: 'http://r.example.com',
    realm: 'http://auth.example.com/token',
    verified: false,
    own: true,
    answer: 'nobody',
  },
  // Never into the machine or to cloud metadata.
  { registry: 'https://r.example.com', realm: 'https://169.254.169.254/token', answer: 'refuse' },
  { registry: 'https://r.example.com', realm: 'https://localhost/token', own: true, answer: 'refuse' },
  { registry: 'https://r.example.com', realm: 'https://[::ffff:127.0.0.1]/token', answer: 'refuse' },
  { registry: 'https://r.example.com', realm: 'file:///etc/passwd', answer: 'refuse' },
  { registry: 'https://r.example.com', realm: 'https://user:pass@auth.example.com/', answer: 'refuse' },
];

describe('credentials for a token realm', () => {
  for (const { registry, realm, verified = true, own = false, answer } of rows) {
    it(`${answer}: ${registry}${verified ? '' : ' (unverified)'} names ${realm}${own ? ', which has its own' : ''}`, () => {
      const question = { registry: new URL(registry), realm: new URL(realm), verified, realmHasCredentials: own };
      assert.equal(credentialsForRealm(question), answer);
    });
  }
});

describe('an address', () => {
  it('is inward when it is this machine or link-local, however it is written', () => {
    for (const address of [
      '127.0.0.1',
      '127.9.9.9',
      '0.0.0.0',
      '169.254.169.254',
      '::1',
      '[::1]',
      'fe80::1%eth0',
      '::ffff:169.254.169.254',
    ]) {
      assert.ok(isInward(address), address);
    }
    for (const address of ['10.0.0.1', '192.168.1.100', '8.8.8.8', '2001:db8::1', 'localhost', ''])
      assert.ok(!isInward(address), address);
    assert.ok(
      isLoopback('localhost:5000') && isLoopback('[::1]:5000') && isLoopback('127.0.0.2') && isLoopback('a.localhost'),
    );
    assert.ok(!isLoopback('127.example.com') && !isLoopback('localhost.example.com') && !isLoopback('10.0.0.1'));
  });
});
