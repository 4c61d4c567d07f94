import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import bcrypt from 'bcrypt';
import type { Log } from '../../../src/platform/log.ts';
import { runSteps } from '../../../src/platform/shutdown.ts';
import { type RunningRegistry, startRegistry } from '../../../src/registry/serve.ts';

export interface TestRegistry extends AsyncDisposable {
  readonly url: string;
  readonly managementUrl: string;
  readonly folder: string;
  readonly registry: RunningRegistry;
  readonly lines: { level: string; message: string; fields: object }[];
  /** Password of each user, made for this run. */
  readonly passwords: Record<string, string>;
  basic(user: string): string;
  /** Writes the document anew with these lines added, and has it taken over. */
  configure(more: string): Promise<void>;
  setUsers(users: Record<string, string>): Promise<void>;
  stop(): Promise<number>;
}

export interface TestRegistryOptions {
  /** Further lines of the document. */
  more?: string;
  users?: readonly string[];
  /** Of bcrypt, for the users' hashes: its lowest by default. */
  cost?: number;
}

/** A registry in this process, with a configuration file that the test can change. */
export async function startTestRegistry({
  more = '',
  users = ['alice', 'admin'],
  cost = 4,
}: TestRegistryOptions = {}): Promise<TestRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'ne-registry-auth-'));
  const passwords = Object.fromEntries(users.map((user) => [user, randomBytes(12).toString('hex')]));
  const file = join(folder, 'config.yaml');
  const writeDocument = (lines: string) => writeFileSync(file, document(folder, lines));
  const writeUsers = async (all: Record<string, string>) => {
    const written = Object.entries(all).map(
      async ([name, password]) => `${name}:${await bcrypt.hash(password, cost)}\n`,
    );
    writeFileSync(join(folder, 'users'), (await Promise.all(written)).join(''));
  };
  await writeUsers(passwords);
  writeDocument(more);
  const lines: TestRegistry['lines'] = [];
  const registry = await startRegistry({
    source: { file },
    log: logInto(lines),
    onDeath: (error) => {
      throw error;
    },
    watchSeconds: 3600,
  });
  let stopped: Promise<number> | undefined;
  const stop = () => {
    stopped ??= runSteps(logInto(lines), registry.shutdown);
    return stopped;
  };
  return {
    url: `${more.includes('certFile') ? 'https' : 'http'}://127.0.0.1:${registry.api?.port}`,
    managementUrl: `http://127.0.0.1:${registry.management?.port}`,
    folder,
    registry,
    lines,
    passwords,
    basic: (user) => `Basic ${Buffer.from(`${user}:${passwords[user] ?? ''}`).toString('base64')}`,
    configure: async (next) => {
      writeDocument(next);
      await registry.reload();
    },
    setUsers: async (all) => {
      await writeUsers(all);
      await registry.reload();
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(folder, { recursive: true });
    },
  };
}

function document(folder: string, more: string): string {
  return `apiVersion: bootstrap.ne-registry.io/v1alpha1
kind: RegistryBootstrap
host: reg.example
listen: {api: "127.0.0.1:0", management: "127.0.0.1:0"}
storage: {filesystem: {path: ${folder}/data}}
${more.includes('auth:') ? more : `auth: {htpasswdFiles: [${folder}/users]}\n${more}`}
`.replaceAll('FOLDER', folder);
}

function logInto(lines: TestRegistry['lines']): Log {
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields });
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    setLevel: () => undefined,
    isLevelEnabled: () => true,
  };
}
