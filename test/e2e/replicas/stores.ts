/** A bucket and a PostgreSQL database on this machine, reached from pods with TLS, and the Secrets that name them. */
import { PutBucketPolicyCommand, type S3Client } from '@aws-sdk/client-s3';
import type { RegistrySpec } from '../../../src/operator/registry/resource.ts';
import { advance, bundle } from '../../../src/operator/registry/tls/authority.ts';
import { issueServerCertificate } from '../../../src/operator/registry/tls/issue.ts';
import { leafLife, validity } from '../../../src/operator/registry/tls/rotation.ts';
import { type Bucket, type Credentials, startBucket } from '../../programs/bucket.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../programs/postgres.ts';
import { Relay } from './relay.ts';

export interface StoresOnHost {
  /** What of a Registry's spec leads to them, with Secrets named `bucket` and `database`. */
  readonly spec: Required<Pick<RegistrySpec, 'storage' | 'metadata'>>;
  readonly postgres: PostgresServer;
  readonly bucket: Bucket;
  readonly toDatabase: Relay;
  readonly toBucket: Relay;
  databaseSecret(namespace: string): object;
  bucketSecret(namespace: string): object;
  /** A new password for the database's owner; `databaseSecret` has it, and the one before no longer opens a connection. */
  rotatePassword(): Promise<void>;
  /** New keys for the bucket beside the ones before; `bucketSecret` has them. Gives what withdraws the ones before. */
  rotateKeys(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

/** @param host an address of this machine that pods reach */
export async function startStores(host: string): Promise<StoresOnHost> {
  const now = new Date();
  const { authority } = await advance(undefined, 'stores of a test', now);
  const leaf = await issueServerCertificate(authority.current, [host], validity(now, leafLife));
  const caBundle = bundle(authority);
  const [postgres, bucket] = await Promise.all([
    startPostgres({ tls: { certificate: leaf.certificate, key: leaf.key } }),
    startBucket(),
  ]);
  const toDatabase = await Relay.start({ host, target: postgres.port });
  const tls = { cert: leaf.certificate, key: leaf.key };
  const toBucket = await Relay.start({ host, target: Number(new URL(bucket.endpoint).port), tls });
  const database = await postgres.database();
  const keyring = await Keyring.for(bucket);
  let password = database.password;
  return {
    spec: {
      storage: {
        s3: {
          bucket: bucket.bucket,
          endpoint: `https://${toBucket.authority}`,
          caBundle,
          secretRef: { name: 'bucket' },
        },
      },
      metadata: { postgres: { secretRef: { name: 'database' }, caBundle, poolSize: 5 } },
    },
    postgres,
    bucket,
    toDatabase,
    toBucket,
    databaseSecret: (namespace) =>
      secret(namespace, 'database', databaseKeys(database, { host, port: toDatabase.port, password })),
    bucketSecret: (namespace) =>
      secret(namespace, 'bucket', {
        AWS_ACCESS_KEY_ID: keyring.current.accessKeyId,
        AWS_SECRET_ACCESS_KEY: keyring.current.secretAccessKey,
      }),
    async rotatePassword() {
      password = `${database.password}${Date.now()}`;
      await postgres.query(`ALTER ROLE ${database.user} PASSWORD '${password}'`);
    },
    rotateKeys: () => keyring.rotate(),
    async stop() {
      keyring.close();
      await Promise.all([toDatabase.cut(), toBucket.cut()]);
      await Promise.all([postgres.remove(), bucket.stop()]);
    },
  };
}

/** The keys that CloudNativePG's application Secret has, without its `uri`. */
function databaseKeys(
  { name, user }: TestDatabase,
  { host, port, password }: { host: string; port: number; password: string },
): Record<string, string> {
  return { host, port: String(port), dbname: name, username: user, user, password };
}

function secret(namespace: string, name: string, stringData: Record<string, string>): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData };
}

/** Users of the bucket, let in by its policy. */
class Keyring {
  readonly #bucket: Bucket;
  readonly #client: S3Client;
  current: Credentials;

  private constructor(bucket: Bucket, first: Credentials) {
    this.#bucket = bucket;
    this.#client = bucket.client();
    this.current = first;
  }

  static async for(bucket: Bucket): Promise<Keyring> {
    const keyring = new Keyring(bucket, await bucket.addUser());
    await keyring.#admit(keyring.current);
    return keyring;
  }

  async rotate(): Promise<() => Promise<void>> {
    const before = this.current;
    this.current = await this.#bucket.addUser();
    await this.#admit(before, this.current);
    return () => this.#admit(this.current);
  }

  close(): void {
    this.#client.destroy();
  }

  async #admit(...users: Credentials[]): Promise<void> {
    const Bucket = this.#bucket.bucket;
    const Resource = [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`];
    const Principal = { AWS: users.map(({ accessKeyId }) => accessKeyId) };
    const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, Action: 's3:*', Resource }] };
    await this.#client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) }));
  }
}
