import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';

const root = join(import.meta.dirname, '../../..');

/** A registry process whose blobs are in a bucket, and whose metadata is in SQLite. Anybody may push. */
export interface BucketRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** Every log line so far. */
  readonly log: readonly string[];
  /** The most that was ever resident, bytes. */
  peak(): number;
  discard(): Promise<void>;
}

/**
 * @param options.bundle a folder that `build/bundle.ts` filled, run as the image runs it; the sources unless given
 * @param options.more further settings of the bootstrap document
 */
export async function startBucketRegistry(options: {
  place: object;
  bundle?: string;
  more?: Pick<RegistryBootstrapInput, 'scrub'>;
}): Promise<BucketRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'ne-bucket-registry-'));
  await mkdir(join(folder, 'metadata'));
  const key = join(folder, 'token.key');
  await writeFile(key, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const document = {
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    listen: { api: '127.0.0.1:0' },
    storage: { s3: options.place },
    metadata: { sqlite: { path: join(folder, 'metadata') } },
    auth: { anonymous: 'Push', token: { privateKeyFile: key } },
    ...options.more,
  };
  const config = join(folder, 'config.yaml');
  await writeFile(config, JSON.stringify(document));
  const { flags, environment } = (await import(join(root, 'bin/settings.js'))) as {
    flags: string[];
    environment: NodeJS.ProcessEnv;
  };
  const program = options.bundle === undefined ? join(root, 'src/main.ts') : join(options.bundle, 'ne-registry.js');
  const child = spawn(process.execPath, [...flags, program, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const exited = once(child, 'exit');
  const log: string[] = [];
  const port = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        log.push(line);
        const found = /"api":\{[^}]*"port":(\d+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    child.once('exit', (code) => reject(new Error(`serve ended with ${code}:\n${log.join('\n')}`)));
  });
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `http://${host}`,
    log,
    peak: () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    async discard() {
      if (child.exitCode === null) child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
