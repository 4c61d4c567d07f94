/** The commands of docs/getting-started.md, as they stand there, on a cluster that has the operator's image. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ProjectImage, projectImage } from '../../build/image.ts';
import type { Cluster } from './cluster/cluster.ts';
import { run } from './cluster/command.ts';
import { up } from './cluster/engine.ts';
import { helloImage } from './cluster/images.ts';
import { HELM } from './cluster/programs.ts';
import { goTool } from './cluster/tools.ts';

const CLUSTER = 6;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Every `$ …` line of the page's console blocks, in order. */
export function commandsOf(page: string): string[] {
  const blocks = [...page.matchAll(/^```console\n(.*?)^```/gms)].map((match) => match[1] ?? '');
  return blocks.flatMap((block) => [...block.matchAll(/^\$ (.*)$/gm)].map((match) => match[1] ?? ''));
}

describe('docs/getting-started.md', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  let cluster: Cluster;
  let image: ProjectImage;
  let folder: string;

  before(async () => {
    cluster = await up(CLUSTER);
    image = await projectImage();
    await cluster.loadImage(image.archive);
    folder = await mkdtemp(join(tmpdir(), 'ne-guide-'));
    // The page is read in a checkout; what it writes (ca.crt) must not end up in this one.
    for (const name of ['charts', 'config', 'bin', 'node_modules', 'package.json', 'src']) {
      await symlink(join(ROOT, name), join(folder, name));
    }
  });

  after(async () => {
    await cluster?.down();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('its commands work one after the other', { timeout: 30 * 60_000 }, async () => {
    const commands = commandsOf(await readFile(join(ROOT, 'docs/getting-started.md'), 'utf8'));
    assert.ok(commands.length > 15);
    const path = [cluster.binDir, dirname(await goTool(HELM)), dirname(process.execPath), process.env.PATH];
    const said = await run('bash', ['-euxo', 'pipefail', '-c', commands.join('\n')], {
      cwd: folder,
      env: {
        PATH: path.join(delimiter),
        KUBECONFIG: cluster.kubeconfig,
        DOCKER_CONFIG: join(folder, 'docker'),
        IMAGE: image.reference,
        REGISTRY: `${cluster.nodeIP}:30500`,
        ARCHIVE: (await helloImage()).archive,
      },
    });
    assert.match(said, /registry\.demo\.test/);
    assert.match(said, /main-data/);
    assert.match(said, /pod\/hello condition met/);
  });
});
