import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Peer, startDistribution } from '../../programs/distribution.ts';
import { startServer } from '../registry/server.ts';
import { cli, freshHome, type Run } from './cli.ts';
import { type SampleDescriptor, SampleLayout } from './sample.ts';

interface Registry extends Peer {
  readonly user?: string;
  readonly password?: string;
}

const registries: Record<string, () => Promise<Registry>> = {
  distribution: async () => await startDistribution(),
  'ne-registry': async () => {
    const server = await startServer();
    return { host: server.host, user: server.user, password: server.password, stop: server.discard };
  },
};

for (const [name, start] of Object.entries(registries)) {
  describe(`ne-cli with ${name}`, () => {
    const env = freshHome();
    let registry: Registry;
    let scratch: string;
    let layout: string;
    let index: SampleDescriptor;
    let amd64: SampleDescriptor;
    let sbom: SampleDescriptor;

    before(async () => {
      registry = await start();
      scratch = await mkdtemp(join(tmpdir(), 'ne-cli-test-'));
      const sample = new SampleLayout(join(scratch, 'layout'));
      amd64 = await sample.image([2_500_000, 0, 700]);
      const arm64 = await sample.image([900_000], {}, 'arm64');
      index = await sample.index([
        { ...amd64, platform: { os: 'linux', architecture: 'amd64' } },
        { ...arm64, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      ]);
      sbom = await sample.image([100], { subject: index, artifactType: 'application/vnd.example.sbom' });
      sample.add(index, 'multi');
      sample.add(sbom);
      layout = await sample.finish();
      if (registry.user !== undefined) {
        const done = await cli(
          ['login', registry.host, '-u', registry.user, '--password-stdin'],
          env,
          `${registry.password}\n`,
        );
        assert.equal(done.code, 0, done.stderr);
      }
    });

    after(async () => {
      await registry?.stop();
      await rm(scratch, { recursive: true, force: true });
      await rm(env.HOME as string, { recursive: true, force: true });
    });

    async function ok(...args: string[]): Promise<Run> {
      const run = await cli(args, env);
      assert.equal(run.code, 0, `${args.join(' ')}\n${run.stderr}`);
      return run;
    }
    const json = async (...args: string[]) => JSON.parse((await ok(...args, '--output', 'json')).stdout);

    it('pushes a layout with its referrers, and finds nothing to do the second time', async () => {
      const image = `${registry.host}/team/app:multi`;
      const first = await json('push', image, layout);
      assert.deepEqual([first.digest, first.referrers, first.changed], [index.digest, 1, true]);
      const second = await json('push', image, layout);
      assert.deepEqual([second.bytes, second.blobs.copied, second.manifests.copied, second.changed], [0, 0, 0, false]);
    });

    it('lists repositories and tags, and inspects', async () => {
      assert.ok((await json('ls', registry.host)).repositories.includes('team/app'));
      assert.ok((await json('tags', `${registry.host}/team/app`)).tags.includes('multi'));
      const shown = await json('inspect', `${registry.host}/team/app:multi`);
      assert.equal(shown.digest, index.digest);
      assert.deepEqual(
        shown.referrers.map((one: SampleDescriptor) => [one.digest, one.artifactType]),
        [[sbom.digest, 'application/vnd.example.sbom']],
      );
      const part = await json('inspect', `${registry.host}/team/app:multi`, '--platform', 'linux/amd64');
      assert.deepEqual(
        [part.digest, part.config.architecture, part.contentSize > 2_500_700],
        [amd64.digest, 'amd64', true],
      );
    });

    it('pulls a layout that skopeo reads, byte for byte', async () => {
      const file = join(scratch, 'pulled.tar');
      await ok('pull', `${registry.host}/team/app:multi`, '--out', file, '--referrers');
      const raw = execFileSync('skopeo', ['inspect', '--raw', `oci-archive:${file}:multi`]);
      assert.equal(
        `sha256:${(await import('node:crypto')).createHash('sha256').update(raw).digest('hex')}`,
        index.digest,
      );
      const again = await json('push', `${registry.host}/again/app:multi`, file);
      assert.deepEqual([again.digest, again.referrers], [index.digest, 1]);
      const refused = await cli(['pull', `${registry.host}/team/app:multi`, '--out', file], env);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /is there already.*--force/);
    });

    it('pulls a docker-archive that skopeo takes', async () => {
      const file = join(scratch, 'docker.tar');
      const pulled = await json(
        'pull',
        `${registry.host}/team/app:multi`,
        '--format',
        'docker-archive',
        '--platform',
        'linux/amd64',
        '--out',
        file,
      );
      assert.equal(pulled.digest, amd64.digest);
      execFileSync('skopeo', [
        'copy',
        '--quiet',
        `docker-archive:${file}:${registry.host}/team/app:multi`,
        `oci:${scratch}/from-docker:x`,
      ]);
      assert.ok((await stat(join(scratch, 'from-docker', 'index.json'))).isFile());
    });

    it('mounts between repositories of one registry', async () => {
      const copied = await json(
        'copy',
        `${registry.host}/team/app:multi`,
        `${registry.host}/other/app:new`,
        '--referrers',
      );
      assert.deepEqual([copied.digest, copied.bytes, copied.blobs.copied, copied.referrers], [index.digest, 0, 0, 1]);
      assert.ok(copied.blobs.mounted >= 5);
    });

    it('copies every tag', async () => {
      await ok('copy', `${registry.host}/team/app:multi`, `${registry.host}/team/app:second`);
      const { tags } = await json(
        'copy',
        '--all-tags',
        '--referrers',
        `${registry.host}/team/app`,
        `${registry.host}/all/app`,
      );
      assert.deepEqual(
        tags.map((tag: { target: string }) => tag.target).sort(),
        ['multi', 'second'].map((tag) => `${registry.host}/all/app:${tag}`),
      );
    });

    it('copies one platform alone', async () => {
      const copied = await json(
        'copy',
        '--platform',
        'linux/arm64',
        `${registry.host}/team/app:multi`,
        `${registry.host}/one/app:arm`,
      );
      assert.equal((await json('inspect', `${registry.host}/one/app:arm`)).digest, copied.digest);
      const none = await cli(
        ['copy', '--platform', 'linux/s390x', `${registry.host}/team/app:multi`, `${registry.host}/one/app:z`],
        env,
      );
      assert.equal(none.code, 1);
      assert.match(none.stderr, /no image for linux\/s390x.*there is linux\/amd64, linux\/arm64/);
    });

    it('deletes a tag and leaves the image', async () => {
      const gone = await json('rm', `${registry.host}/other/app:new`);
      assert.deepEqual([gone.deleted, gone.digest], ['tag', index.digest]);
      assert.ok(!(await json('tags', `${registry.host}/other/app`)).tags.includes('new'));
      assert.equal((await json('inspect', `${registry.host}/other/app@${index.digest}`)).digest, index.digest);
      await ok('rm', '--yes', `${registry.host}/other/app@${index.digest}`);
      assert.equal((await cli(['inspect', `${registry.host}/other/app@${index.digest}`], env)).code, 1);
    });

    it('says what is missing, and leaves no partial file', async () => {
      const folder = await mkdtemp(join(scratch, 'none-'));
      const missing = await cli(['pull', `${registry.host}/team/app:nope`, '--out', join(folder, 'x.tar')], env);
      assert.deepEqual([missing.code, missing.stdout], [1, '']);
      assert.match(missing.stderr, /cannot read the manifest team\/app:nope: not found/);
      assert.doesNotMatch(missing.stderr, /\n\s+at /);
      assert.deepEqual(await readdir(folder), []);
    });
  });
}

describe('ne-cli', () => {
  const env = freshHome();
  after(async () => await rm(env.HOME as string, { recursive: true, force: true }));

  it('has help with examples for every command', async () => {
    for (const command of ['login', 'logout', 'push', 'pull', 'copy', 'ls', 'tags', 'inspect', 'rm']) {
      const help = await cli([command, '--help'], env);
      assert.equal(help.code, 0);
      assert.match(help.stdout, /Examples:\n {2}(ne-cli|kubectl)/);
    }
  });

  it('ends with 2 for a wrong command line', async () => {
    for (const args of [
      ['bogus'],
      ['push'],
      ['pull', 'app:1.0'],
      ['ls', 'a b'],
      ['pull', 'h.io/a', '--format', 'zip'],
      ['rm', 'h.io/a'],
    ]) {
      const run = await cli(args, env);
      assert.equal(run.code, 2, args.join(' '));
      assert.equal(run.stdout, '');
    }
  });

  it('says what to do when nothing listens or the name is wrong', async () => {
    const silent = await cli(['tags', '127.0.0.1:1/a'], env);
    assert.equal(silent.code, 1);
    assert.equal(silent.stderr, 'ne-cli: 127.0.0.1:1: nothing listens there; check the address and the port\n');
    const unknown = await cli(['tags', 'registry.invalid/a'], env);
    assert.match(unknown.stderr, /registry\.invalid: (no such host name|the name could not be resolved)/);
  });
});
