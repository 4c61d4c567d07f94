/** What must be there before anything of a Registry is deployed: the Secrets and claims that its spec names. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeClient } from '../../../src/operator/kube/client.ts';
import type { KubeObject, ObjectRef } from '../../../src/operator/kube/object.ts';
import { requireBackupClaim } from '../../../src/operator/registry/claims.ts';
import { Failing } from '../../../src/operator/registry/failing.ts';
import { mountedVersion, requireSecrets } from '../../../src/operator/registry/materials.ts';
import type { RegistrySpec } from '../../../src/operator/registry/resource.ts';
import type { View } from '../../../src/operator/registry/view.ts';
import { Stalled } from '../../../src/operator/runtime/errors.ts';
import { site } from './sample.ts';

/** An API server that has these objects. */
function client(objects: readonly KubeObject[]): KubeClient {
  const get = async ({ kind, name }: ObjectRef) =>
    objects.find((each) => each.kind === kind && each.metadata.name === name);
  return { get } as unknown as KubeClient;
}

function secret(name: string, values: Record<string, string>): KubeObject {
  const data = Object.fromEntries(Object.entries(values).map(([key, text]) => [key, btoa(text)]));
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'registry' }, data };
}

function claim(name: string, ...accessModes: string[]): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: 'registry' },
    spec: { accessModes },
  };
}

const bucket = { bucket: 'images', region: 'cn-north-1', secretRef: { name: 'keys' } };
const stores: Partial<RegistrySpec> = {
  storage: { s3: bucket },
  metadata: { postgres: { secretRef: { name: 'db' } } },
};
const keys = secret('keys', { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' });
const parts = { host: 'db-rw', port: '5432', dbname: 'app', username: 'app', password: 'p' };

describe('Secrets of stores', () => {
  const check = (...objects: KubeObject[]) => requireSecrets(client(objects), site(stores));

  test('the database is named by its parts or by a uri', async () => {
    await check(keys, secret('db', parts));
    await check(keys, secret('db', { uri: 'postgresql://app:p@db-rw/app' }));
    await assert.rejects(
      check(keys, secret('db', { ...parts, password: '' })),
      new Failing(
        'SecretMissing',
        'Secret registry/db, which spec.metadata.postgres.secretRef names, has no "password": add what is missing to it',
      ),
    );
  });

  test('what is missing of the bucket is named, with the field that names it', async () => {
    const half = secret('keys', { AWS_ACCESS_KEY_ID: 'a' });
    await assert.rejects(
      check(half, secret('db', parts)),
      /registry\/keys.*spec\.storage\.s3.*"AWS_SECRET_ACCESS_KEY"/,
    );
    await assert.rejects(
      check(secret('db', parts)),
      /registry\/keys.*does not exist: create it with "AWS_ACCESS_KEY_ID"/,
    );
  });

  test('so is that of the place for backups', async () => {
    const of = site({ backup: { target: { s3: { ...bucket, secretRef: { name: 'other' } } } } });
    await assert.rejects(requireSecrets(client([keys]), of), /registry\/other.*spec\.backup\.target\.s3\.secretRef/);
  });

  test('none is asked for where pods have an identity of their own', async () => {
    const { secretRef: _, ...anonymous } = bucket;
    await requireSecrets(client([]), site({ storage: { s3: anonymous } }));
  });

  test('pods are told when any key of theirs changes, also one that is added', async () => {
    const version = (...objects: KubeObject[]) => mountedVersion(client(objects), site(stores), 'registry');
    const before = await version(keys, secret('db', parts));
    assert.equal(await version(keys, secret('db', { ...parts })), before);
    assert.notEqual(await version(keys, secret('db', { ...parts, password: 'q' })), before);
    const session = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_SESSION_TOKEN: 'c' };
    assert.notEqual(await version(secret('keys', session), secret('db', parts)), before);
  });
});

describe('the claim for backups', () => {
  const check = (spec: Partial<RegistrySpec>, ...objects: KubeObject[]) =>
    requireBackupClaim({ client: client(objects), view: {} as View, site: site(spec) });
  const backup = { target: { existingClaim: 'second' } };

  test('has to be there', async () => {
    await check({ backup }, claim('second', 'ReadWriteOnce'));
    await check({});
    await assert.rejects(check({ backup }), /registry\/second, which spec\.backup\.target\.existingClaim names/);
  });

  test('is not the one that holds the images', async () => {
    await assert.rejects(
      check({ backup: { target: { existingClaim: 'main-data' } } }, claim('main-data', 'ReadWriteOnce')),
      (error) => error instanceof Stalled && /lost with them/.test(error.message),
    );
  });

  test('is shared where pods run on several nodes', async () => {
    await check({ ...stores, backup }, claim('second', 'ReadWriteMany'));
    await assert.rejects(check({ ...stores, backup }, claim('second', 'ReadWriteOnce')), /is not ReadWriteMany/);
  });
});
