/** Every command of docs/recovery.md, run as it stands there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSite, serve, writeConfig } from './registry.ts';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/recovery.md'), 'utf8');
const commands = [...page.matchAll(/^\$ (.+)$/gm)].map(([, command]) => command ?? '');

async function shell(command: string, cwd: string): Promise<{ code: number; said: string }> {
  const [snapshot = ''] = readdirSync(join(cwd, 'backup'));
  const env = { ...process.env, PATH: `${join(cwd, 'bin')}:${process.env.PATH}`, SNAPSHOT: snapshot };
  const child = spawn('sh', ['-c', command], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  const [code] = (await once(child, 'close')) as [number];
  return { code, said };
}

test('the commands of the page on recovery work in their order', { timeout: 600_000 }, async () => {
  assert.ok(commands.length >= 9, `only ${commands.length} commands found`);
  const site = await createSite();
  try {
    for (const folder of ['bin', 'backup']) mkdirSync(join(site.folder, folder));
    symlinkSync(join(root, 'bin/ne-registry.js'), join(site.folder, 'bin/ne-registry'));
    writeConfig(join(site.folder, 'embedded.yaml'), { storage: { filesystem: { path: site.data } } });
    writeConfig(join(site.folder, 'other.yaml'), { storage: { filesystem: { path: join(site.folder, 'other') } } });
    const registry = await serve(site);
    await registry.pushImage('a/b', 'v1');
    assert.equal(await registry.stop(), 0);
    for (const command of commands) {
      // Where a restore is told of, the database is lost.
      const lost = /admin restore --data \.\/data$/.test(command);
      const { code, said } = await shell(lost ? `rm data/metadata.db && ${command}` : command, site.folder);
      assert.equal(code, 0, `${command}\n${said}`);
    }
  } finally {
    site.discard();
  }
});
