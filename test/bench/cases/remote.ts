import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeCertificate } from '../../integration/auth/certificate.ts';
import { type Bucket, startBucket } from '../../programs/bucket.ts';
import { startPostgres } from '../../programs/postgres.ts';
import type { Bench, Group } from '../bench.ts';
import { blobPath, type Content, makeContent, manifestPath, manifestType, pushContent, verify } from '../content.ts';
import { rate, throughput } from '../load/load.ts';
import { measure } from '../measure.ts';
import { startDistribution } from '../peers/distribution.ts';
import { startOurs } from '../peers/ours.ts';
import type { Server } from '../peers/server.ts';
import { makeUser } from '../users.ts';
import { contenders } from './manifests.ts';

const promises = { against: { plain: { floor: 0.4, goal: 0.6 } } };
const connections = 16;

/**
 * PostgreSQL and a bucket, TLS and passwords, against ours on its own volume without (`plain`) and the CNCF's registry on the same
 * bucket, with TLS and without passwords (it checks bcrypt on every request). One replica, everything on one machine.
 */
export const remote: Group = {
  name: 'remote',
  async *run(bench) {
    const folder = await mkdtemp(join(bench.scratch, 'remote-'));
    const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
    try {
      const servers = await start(bench, folder, closing);
      const content = makeContent(['64 KB', '3 MB', '20 MB']);
      for (const server of servers) await pushContent(server, content);
      yield* cases(bench, servers, content);
    } finally {
      for (const close of closing.reverse()) await close();
    }
  },
};

async function start(bench: Bench, folder: string, closing: (() => Promise<unknown>)[]): Promise<Server[]> {
  writeCertificate(folder, 'bench');
  const tls = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  for (const name of ['ours', 'plain', 'distribution']) await mkdir(join(folder, name));
  const bucket = await startBucket();
  closing.push(() => bucket.stop());
  const postgres = await startPostgres();
  closing.push(() => postgres.remove());
  const { secretDirectory } = await postgres.database();
  await bucket.create('distribution');
  const document = {
    storage: { s3: { ...bucket.place, forcePathStyle: true } },
    metadata: { postgres: { secretDirectory, tls: 'Disable' as const } },
  };
  const tokenKey = join(folder, 'token.pem');
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeFile(tokenKey, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const user = await makeUser(folder);
  const kept = async (server: Promise<Server>) => {
    const started = await server;
    closing.push(() => started.stop());
    return started;
  };
  const { bundle } = bench;
  return [
    await kept(startOurs({ bundle, folder: join(folder, 'ours'), tls, user, tokenKey, document })),
    await kept(startOurs({ bundle, folder: join(folder, 'plain'), name: 'plain' })),
    await kept(startDistribution({ folder: join(folder, 'distribution'), tls, storage: bucketOf(bucket) })),
  ];
}

/** Without redirects, as ours: both carry the bytes. */
function bucketOf({ endpoint, region, credentials }: Bucket): string[] {
  return [
    '  redirect:',
    '    disable: true',
    '  s3:',
    `    regionendpoint: ${endpoint}`,
    `    region: ${region}`,
    '    bucket: distribution',
    `    accesskey: ${credentials.accessKeyId}`,
    `    secretkey: ${credentials.secretAccessKey}`,
    '    secure: false',
    '    forcepathstyle: true',
  ];
}

async function* cases(bench: Bench, servers: readonly Server[], content: Content) {
  const manifest = manifestPath(content, content.tag);
  for (const server of servers) await verify(server, manifest, content.manifest);
  yield await measure(
    bench,
    {
      id: 'remote-manifest-get-tag',
      title: 'PostgreSQL + S3 + TLS + authentication: manifest GET by tag',
      unit: 'req/s',
      promises,
    },
    contenders(servers, async (server, seconds) =>
      rate(await bench.load.get(server, manifest, { connections, seconds, headers: { accept: manifestType } })),
    ),
  );
  for (const size of ['64 KB', '3 MB', '20 MB'] as const) {
    const path = blobPath(content, content.layers[size]);
    for (const server of servers) await verify(server, path, content.layers[size]);
    const id = `remote-blob-get-${size.replace(' ', '').toLowerCase()}`;
    yield await measure(
      bench,
      { id, title: `PostgreSQL + S3 + TLS + authentication: blob GET ${size}`, unit: 'MB/s', promises },
      contenders(servers, async (server, seconds) =>
        throughput(await bench.load.get(server, path, { connections, seconds })),
      ),
    );
  }
  const load = {
    repository: 'bench/push',
    size: 10e6,
    connections: 4,
    blobs: Math.max(4, Math.round(8 * bench.seconds)),
  };
  yield await measure(
    bench,
    {
      id: 'remote-push-10mb',
      title: 'PostgreSQL + S3 + TLS + authentication: push 10 MB, 4 at a time',
      unit: 'MB/s',
      promises,
      warmUp: false,
    },
    contenders(servers, async (server) => throughput(await bench.load.push(server, load))),
  );
}
