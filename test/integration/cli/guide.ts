/** The commands of a page of the documentation, run as they stand there, by a user's shell with kubectl and ne-cli. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { parse } from 'yaml';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { KUBE } from '../../e2e/cluster/programs.ts';
import { goTool } from '../../e2e/cluster/tools.ts';

const root = join(import.meta.dirname, '../../..');

export interface Guide {
  /** Every `$ …` line, in order. */
  readonly commands: readonly string[];
  /** The resources on the page that have a file's name in their first line, by that name. */
  readonly files: ReadonlyMap<string, { metadata: { name: string }; spec: Record<string, unknown> }>;
  run(command: string): Promise<{ code: number; said: string }>;
  discard(): void;
}

export async function openGuide(name: string, api: BareApiServer, env: Record<string, string>): Promise<Guide> {
  const page = readFileSync(join(root, 'docs', name), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'ne-guide-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(join(root, 'bin/ne-cli.js'), join(bin, 'ne-cli'));
  writeFileSync(join(bin, 'kubectl'), `#!/bin/sh\nexec '${await goTool(KUBE)}' kubectl "$@"\n`);
  chmodSync(join(bin, 'kubectl'), 0o755);
  const files = new Map<string, { metadata: { name: string }; spec: Record<string, unknown> }>();
  for (const [, text = ''] of page.matchAll(/^```yaml\n(.*?)^```/gms)) {
    const file = /^# (\S+\.yaml)$/m.exec(text)?.[1];
    if (file === undefined) continue;
    writeFileSync(join(folder, file), text);
    files.set(file, parse(text));
  }
  const path = [bin, dirname(process.execPath), process.env.PATH].join(delimiter);
  const surroundings = {
    ...env,
    PATH: path,
    KUBECONFIG: api.kubeconfig,
    HOME: folder,
    DOCKER_CONFIG: join(folder, 'docker'),
  };
  return {
    commands: [...page.matchAll(/^\$ (.+)$/gm)].map(([, command = '']) => command),
    files,
    run: (command) => shell(command, folder, surroundings),
    discard: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function shell(
  command: string,
  cwd: string,
  env: Record<string, string>,
): Promise<{ code: number; said: string }> {
  const child = spawn('bash', ['-c', command], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, said };
}
